"""What may be loaded as weights, and what is refused, each with one clear line."""

import hashlib
import json
import pickle
import struct
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from pairs import uniform_pair

import piv
from piv.errors import PIVError, WeightsError
from piv.network import catalogue as names
from piv.network import weights
from piv.network.catalogue import steps_of
from piv.network.ccfcn import CCFCN
from piv.network.config import CCFCNConfig
from piv.settings import from_dict

CONFIG = {
    "image_widths": [4, 6],
    "velocity_widths": [4, 4],
    "radius": 1,
    "base_sigmas": [2.0, 4.0, 8.0],
}
RECORD = {
    "network": CONFIG,
    "calibration": {
        "interval_68": 1.2,
        "interval_95": 3.1,
        "power": 0.1,
        "curve": [[-4.0, 0.1], [-2, 0.0]],
    },
}


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return CCFCN(CCFCNConfig.from_dict(CONFIG))


@pytest.fixture
def path(tmp_path, network):
    path = tmp_path / "größe 1.safetensors"
    weights.save_weights(path, network.state_dict(), RECORD)
    return path


def refused(path, message):
    with pytest.raises(WeightsError, match=message) as caught:
        weights.load_model(path)
    assert "\n" not in str(caught.value)


def test_a_file_gives_back_what_was_saved(path, network):
    model = piv.load_model(path)
    assert model.name == "größe 1"
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (model.interval_68, model.interval_95, model.power) == (1.2, 3.1, 0.1)
    assert model.curve == ((-4.0, 0.1), (-2.0, 0.0))
    assert model.network.config == network.config
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], tensor)


@pytest.mark.parametrize("recorded", [2, 3, None, "many", 99])
def test_as_many_steps_are_taken_as_the_weights_were_trained_for(tmp_path, recorded):
    path = tmp_path / "own.safetensors"
    record = {**RECORD, "recipe": {} if recorded is None else {"refinement_steps": recorded}}
    weights.save_weights(path, nonzero().state_dict(), record)
    steps = recorded if recorded in (2, 3) else 3
    model = piv.load_model(path)
    assert model.steps == steps_of(path) == steps
    pair = uniform_pair((64, 80), 1.3, 0.4)
    fields = {n: piv.analyse(pair, model=model, settings=with_steps(n)).dense for n in (0, 2, 3)}
    assert not np.array_equal(fields[2].u, fields[3].u)
    assert np.array_equal(fields[0].u, fields[steps].u)
    provenance = piv.analyse(pair, model=model).provenance
    assert provenance["settings"]["refine"]["steps"] == steps


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x10" + 7 * b"\0" + b"[1, 2]", None])
def test_what_is_no_weights_file_has_the_usual_number_of_steps(tmp_path, monkeypatch, content):
    """Whoever loads it is told; the header's length is not believed."""
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("none").write_bytes(content)
        Path("odd.safetensors").write_bytes(content)
    assert steps_of("none") == steps_of("odd.safetensors") == 3


def nonzero():
    """A network whose steps differ."""
    network = CCFCN(CCFCNConfig.from_dict(CONFIG))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(2)
        for name, parameter in network.named_parameters():
            if "head" in name:
                parameter += 0.05 * torch.randn_like(parameter)
    return network


def with_steps(number):
    return from_dict({"refine": {"steps": number}})


def test_a_file_has_the_name_of_its_record(tmp_path, network):
    path = tmp_path / "weights.safetensors"
    weights.save_weights(path, network.state_dict(), {**RECORD, "name": "mine-2026"})
    assert piv.load_model(path).name == "mine-2026"


def test_one_changed_bit_is_noticed_in_any_file(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    refused(path, "is damaged: its content has another hash than it says")


def test_a_file_without_a_hash_of_its_own_is_refused(path, network):
    metadata = {"format": weights.FORMAT, "record": json.dumps(RECORD)}
    safetensors.torch.save_file(network.state_dict(), path, metadata)
    refused(path, "is damaged: its content has another hash than it says")


def test_saving_returns_the_hash_and_leaves_no_other_file(tmp_path, network):
    path = tmp_path / "one.safetensors"
    sha256 = weights.save_weights(path, network.state_dict(), RECORD)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [found.name for found in tmp_path.iterdir()] == ["one.safetensors"]


def test_saving_where_nothing_can_be_written_is_refused(tmp_path, network):
    with pytest.raises(PIVError, match="cannot write"):
        weights.save_weights(tmp_path / "no" / "one.safetensors", network.state_dict(), RECORD)


def test_none_is_the_coarse_stage_alone():
    assert piv.load_model(None) is None
    assert piv.load_model("none") is None


def test_a_loaded_model_stays_what_it_is(path):
    model = piv.load_model(path)
    assert piv.load_model(model) is model
    assert piv.load_model(path) is model


def test_a_changed_file_is_read_anew(path, network):
    before = piv.load_model(path)
    weights.save_weights(path, network.state_dict(), {**RECORD, "note": "another"})
    assert piv.load_model(path).sha256 != before.sha256


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(WeightsError, match=r"unknown model nonee: did you mean none\? known are"):
        piv.load_model("nonee")


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "nowhere.safetensors", r"cannot read the weights .*nowhere")


def test_a_folder_is_refused(tmp_path):
    refused(tmp_path, "cannot read the weights")


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"not weights at all", b"\xff" * 4000])
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    refused(path, "damaged or not a safetensors file")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "damaged or not a safetensors file")


def test_a_pickle_is_refused_unread(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was executed",))

    path = tmp_path / "trap.pt"
    path.write_bytes(pickle.dumps(Trap()))
    refused(path, "damaged or not a safetensors file")


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(safetensors.torch.save({"layer": torch.ones(3)}))
    refused(path, "no weights of this project")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {**CONFIG, "depth": 3}}, "not one that this version can build"),
        ({"network": None}, "not one that this version can build"),
        ({"network": {**CONFIG, "image_widths": [4, 8]}}, "but the network needs"),
        ({"calibration": {"interval_68": 1.0}}, "no positive calibration.interval_95"),
        ({"calibration": None}, "no positive calibration.interval_68"),
        ({"calibration": {"interval_68": -1.0, "interval_95": 2.0}}, "no positive"),
        (
            {"calibration": {"interval_68": 1.0, "interval_95": 2.0, "power": "1"}},
            r"calibration\.power in its record must lie within -1\.\.1",
        ),
        ({"calibration": {"interval_68": 1.0, "interval_95": 2.0, "power": 1.5}}, "power"),
        *(
            (
                {"calibration": {"interval_68": 1.0, "interval_95": 2.0, "curve": curve}},
                "curve in its record must be pairs of numbers, the first rising",
            )
            for curve in ([[1, 2]], [[0, 1], [0, 2]], [[0, 1], [1, None]], "ab", [[0, 1], [1]], 5)
        ),
    ],
)
def test_a_record_that_does_not_fit_is_refused(tmp_path, network, change, message):
    path = tmp_path / "odd.safetensors"
    weights.save_weights(path, network.state_dict(), {**RECORD, **change})
    refused(path, message)


def test_a_damaged_record_is_refused(tmp_path, network):
    path = tmp_path / "odd.safetensors"
    for record in ("{", "[1]"):
        metadata = {"format": weights.FORMAT, "record": record}
        content = safetensors.torch.save(dict(network.state_dict()), metadata)
        tensors = content[8 + int.from_bytes(content[:8], "little") :]
        metadata["sha256"] = hashlib.sha256(record.encode() + tensors).hexdigest()
        path.write_bytes(safetensors.torch.save(dict(network.state_dict()), metadata))
        refused(path, "its record is damaged")


def test_missing_foreign_and_spoilt_tensors_are_refused(tmp_path, network):
    path = tmp_path / "odd.safetensors"
    whole = network.state_dict()
    name = next(iter(whole))
    for tensors, message in (
        ({k: v for k, v in whole.items() if k != name}, "1 tensors are missing"),
        ({**whole, "extra": torch.ones(2)}, "1 tensors are foreign, such as extra"),
        ({**whole, name: whole[name].double()}, "but the network needs"),
        ({**whole, name: torch.full_like(whole[name], torch.nan)}, "holds NaN"),
    ):
        weights.save_weights(path, tensors, RECORD)
        refused(path, message)


def test_one_changed_bit_is_noticed_in_the_catalogue(tmp_path, monkeypatch, path):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    package = tmp_path / "package"
    (package / "weights").mkdir(parents=True)
    stored = package / "weights" / "test-1.safetensors"
    stored.write_bytes(path.read_bytes())
    catalogue = (
        'default = "test-1"\n[weights."test-1"]\n'
        f'file = "test-1.safetensors"\nsha256 = "{sha256}"\n'
    )
    (package / "weights" / "catalogue.toml").write_text(catalogue, "utf-8")
    caches = (names.known, weights._from_catalogue)
    monkeypatch.setattr(names, "files", lambda _: package)
    try:
        for cache in caches:
            cache.cache_clear()
        model = piv.load_model("default")
        assert (model.name, model.sha256) == ("test-1", sha256)
        assert list(weights.catalogue()) == ["test-1"]
        with pytest.raises(WeightsError, match=r"did you mean test-1\?"):
            piv.load_model("test-2")
        weights._from_catalogue.cache_clear()
        content = bytearray(stored.read_bytes())
        content[-1] ^= 1
        stored.write_bytes(content)
        refused("test-1", "are damaged: their SHA-256 is")
    finally:
        monkeypatch.undo()
        for cache in caches:
            cache.cache_clear()


def test_the_hash_of_named_weights_is_that_of_the_loaded_model(path):
    assert names.weights_hash("none") is None
    assert names.weights_hash(None) is None
    for name in (path, *weights.catalogue()):
        assert names.weights_hash(name) == piv.load_model(name).sha256
    with pytest.raises(WeightsError, match="unknown model nonsense"):
        names.weights_hash("nonsense")


def test_a_model_travels_to_another_process_unchanged(path):
    model = piv.load_model(path)
    other = pickle.loads(pickle.dumps(model))
    assert (other.name, other.sha256) == (model.name, model.sha256)
    assert dict(other.record) == dict(model.record)
    assert (other.interval_68, other.interval_95) == (model.interval_68, model.interval_95)
    assert other.power == model.power == 0.1
    assert other.curve == model.curve != ()
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(other.network.state_dict()[name], tensor)
    assert not any(weight.requires_grad for weight in other.network.parameters())


def test_every_entry_of_the_catalogue_loads_and_is_what_it_says():
    for name, entry in weights.catalogue().items():
        assert (
            entry["sha256"]
            == hashlib.sha256((files("piv") / "weights" / entry["file"]).read_bytes()).hexdigest()
        )
        model = piv.load_model(name)
        assert model.record["name"] == name
        assert model.record["core_minutes"] > 0
        assert model.record["stages"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == names.known()[1] else [pytest.mark.slow])
        for name in weights.catalogue()
    ],
)
def test_weights_still_reach_the_error_in_their_record(name):
    """On three classes of the validation split; retrain or explain when this fails."""
    from piv.train import recipe as recipes
    from piv.train.held_out import held_out, held_out_error, validation_errors
    from synth.recipe import parse
    from synth.source import Source

    model = piv.load_model(name)
    recorded = model.record["metrics"]["validation_mean_endpoint_error"]
    recipe = recipes.from_dict(model.record["recipe"])
    # of the mix that it was trained on, whatever that is by now
    made_by = model.record["source"]["record"]
    source = Source(parse(made_by["recipe"], made_by["name"]))
    assert source.record["generator"] == made_by["generator"]
    source.classes = tuple(kind for kind in ("turbulence", "vortex", "jet") if kind in recorded)
    assert source.classes
    size = (recipe.render, recipe.render)
    batches = held_out(source, "validation", recipe.validation_pairs, size)
    for kind, error in validation_errors(model.network, batches, recipe).items():
        batch = batches[kind]
        coarse = held_out_error(batch.start.split(1), batch)
        assert error < 0.75 * coarse  # measured with the first weights: 0.56, 0.40, 0.36
        # measured 1.00 to 1.02, by another coarse stage since then
        assert error < 1.1 * recorded[kind]


def test_the_header_is_plain_json(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    assert metadata["format"] == weights.FORMAT
    assert json.loads(metadata["record"]) == RECORD
