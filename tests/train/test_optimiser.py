"""What moves the weights: that it moves them, as it says, and goes on where it stopped."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from piv.network.ccfcn import CCFCN
from piv.network.config import CCFCNConfig
from piv.train import checkpoint
from piv.train.optimiser import Optimiser

CONFIG = CCFCNConfig(
    image_widths=(6, 10), velocity_widths=(4, 4), radius=1, base_sigmas=(2.0, 4.0, 8.0),
    blend=(0.8,),
)  # fmt: skip
RATE, DECAY = 2e-3, 1e-2


def network() -> CCFCN:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = CCFCN(CONFIG)
        for name, parameter in net.named_parameters():
            if "head" in name or "second" in name:  # an untrained network has zeros there
                parameter.data += 0.03 * torch.randn_like(parameter)
    return net.to(memory_format=torch.channels_last)


def gradients(net: CCFCN, step: int) -> None:
    """The same gradients for every network, each in its weight's order in memory."""
    generator = torch.Generator().manual_seed(100 + step)
    for parameter in net.parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.grad = torch.empty_like(parameter).copy_(values)


def weights(net: CCFCN) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in net.named_parameters()}


def trained(kind: str, steps: int, net: CCFCN | None = None) -> tuple[CCFCN, Optimiser]:
    net = net or network()
    optimiser = Optimiser(net, kind, RATE, DECAY)
    for step in range(steps):
        gradients(net, step)
        optimiser.step(RATE / (step + 1))
    return net, optimiser


def within(name: str) -> bool:
    """A convolution that is neither a head nor the blend."""
    return name.endswith("weight") and not {"head", "blend"} & set(name.split("."))


def test_the_adamw_choice_is_torchs_own_bit_for_bit() -> None:
    net, _ = trained("adamw", 3)
    plain = network()
    parameters = list(plain.parameters())
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=RATE,
        fused=True,
    )
    for step in range(3):
        gradients(plain, step)
        for group in adamw.param_groups:
            group["lr"] = RATE / (step + 1)
        adamw.step()
    for name, weight in weights(plain).items():
        assert torch.equal(weight, weights(net)[name]), name


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_step_moves_every_weight_of_the_network_itself(kind: str) -> None:
    net = network()
    before, places = weights(net), [p.data_ptr() for p in net.parameters()]
    frames = torch.rand(2, 1, 1, 32, 48, generator=torch.Generator().manual_seed(0))
    start = torch.zeros(1, 2, 32, 48)
    with torch.no_grad():
        was = net(*frames, start)[-1].displacement
    trained(kind, 1, net)
    for name, weight in weights(net).items():
        assert (weight != before[name]).all(), name
    assert [p.data_ptr() for p in net.parameters()] == places
    with torch.no_grad():
        assert not torch.equal(net(*frames, start)[-1].displacement, was)


def test_muon_makes_all_directions_of_a_step_equal() -> None:
    """A property of the update, not of the code: its singular values are one times the length."""
    net = network()
    before = weights(net)
    optimiser = Optimiser(net, "muon", RATE, 0.0)
    gradients(net, 0)
    for parameter in net.parameters():  # some directions four times as strong as others
        assert parameter.grad is not None
        parameter.grad[len(parameter) // 2 :] *= 4
    optimiser.step(RATE)
    for name in filter(within, before):
        update = (weights(net)[name] - before[name]).flatten(1).double()
        length = RATE * 0.2 * max(update.shape) ** 0.5  # Liu et al., equation 4
        singular = torch.linalg.svdvals(update) / length
        assert singular.min() > 0.6, name
        assert singular.max() < 1.3, name
        # as long as a usual step of AdamW
        mean = float(update.square().mean().sqrt())
        assert mean == pytest.approx(0.2 * RATE, rel=0.35), name


def test_with_muon_heads_and_offsets_are_moved_as_without() -> None:
    muon, adamw = weights(trained("muon", 2)[0]), weights(trained("adamw", 2)[0])
    heads = [name for name in muon if not within(name) and name.endswith("weight")]
    assert len(heads) == 3  # of both steps and of the blend
    for name in muon:
        assert torch.equal(muon[name], adamw[name]) == (not within(name)), name


@pytest.mark.parametrize("bfloat16", [True, False])
def test_a_backward_pass_gives_gradients_in_the_weights_own_order(bfloat16: bool) -> None:
    """The fused AdamW of torch takes the memory as it lies and would mix up the others."""
    net = network()
    first, second = torch.rand(2, 2, 1, 40, 56, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        results = net(first, second, torch.zeros(2, 2, 40, 56), steps=3)
    sum(r.displacement.square().sum() + r.log_scale.sum() for r in results).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.stride() == parameter.stride(), name


def test_for_muon_gradients_may_lie_in_any_order() -> None:
    one, other = network(), network()
    optimisers = [Optimiser(net, "muon", RATE, DECAY) for net in (one, other)]
    gradients(one, 0)
    gradients(other, 0)
    for name, parameter in other.named_parameters():
        if within(name):
            assert parameter.grad is not None
            parameter.grad = parameter.grad.contiguous()
    for optimiser in optimisers:
        optimiser.step(RATE)
    for name, weight in weights(one).items():
        assert torch.equal(weight, weights(other)[name]), name


def test_a_network_whose_weights_lie_otherwise_is_refused() -> None:
    """A copy would be moved in its place, and the network never learn."""
    net = CCFCN(CONFIG)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        Optimiser(net, "muon", RATE, DECAY)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_it_goes_on_from_its_state_bit_for_bit(tmp_path, kind: str) -> None:
    whole, end = trained(kind, 5)
    half, optimiser = trained(kind, 2)
    path = tmp_path / checkpoint.NAME
    checkpoint.write(path, {"network": half.state_dict(), "optimiser": optimiser.state_dict()})
    state = checkpoint.read(path)
    results = []
    for known in (True, False):
        net = network()
        resumed = Optimiser(net, kind, 1.0, DECAY)
        # as a run is resumed: the weights come after the optimiser was made for them
        net.load_state_dict(state["network"])
        if known:
            resumed.load_state_dict(copy.deepcopy(state["optimiser"]))
            assert resumed.rate == RATE / 2
        for step in range(2, 5):
            gradients(net, step)
            resumed.step(RATE / (step + 1))
        results.append(weights(net))
        if known:
            assert_same(resumed.state_dict(), end.state_dict())
    for name, weight in weights(whole).items():
        assert torch.equal(results[0][name], weight), name
        assert not torch.equal(results[1][name], weight), name  # the state matters


def assert_same(one, other) -> None:
    """Equal in all tensors and numbers, however nested."""
    if isinstance(one, Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_nothing_moves_at_rate_zero_or_without_a_gradient(kind: str) -> None:
    net, optimiser = trained(kind, 1)
    before = weights(net)
    gradients(net, 1)
    optimiser.step(0.0)
    assert optimiser.rate == 0.0
    optimiser.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
    optimiser.step(RATE)
    for name, weight in weights(net).items():
        assert torch.equal(weight, before[name]), name


def test_only_convolutions_decay() -> None:
    for kind in ("muon", "adamw"):
        nets = [network(), network()]
        for net, decay in zip(nets, (0.0, 0.5), strict=True):
            gradients(net, 0)
            Optimiser(net, kind, RATE, decay).step(RATE)
        plain, decayed = (weights(net) for net in nets)
        for name, weight in weights(network()).items():
            expected = plain[name] - (RATE * 0.5 * weight if weight.ndim > 1 else 0.0)
            torch.testing.assert_close(decayed[name], expected, atol=1e-7, rtol=1e-5)
