"""What the processes of one run tell each other."""

import os

import pytest
import torch

from piv.errors import PIVError
from piv.train import processes
from piv.train.processes import Gang


def with_gradient(values):
    network = torch.nn.Linear(3, 1, bias=False)
    network.weight.grad = torch.tensor([values])
    return network


def test_gradients_and_figures_become_their_means(monkeypatch):
    monkeypatch.setattr(processes.distributed, "all_reduce", lambda flat: flat.add_(3 * flat))
    network = with_gradient([1.0, -2.0, 0.5])
    figures = Gang(0, 2).share(network, [0.25, 4.0])  # the other process has thrice as much
    assert figures == [0.5, 8.0]
    assert network.weight.grad.tolist() == [[2.0, -4.0, 1.0]]


def test_alone_nothing_changes():
    network = with_gradient([1.0, -2.0, 0.5])
    assert Gang().share(network, [0.25]) == [0.25]
    assert Gang().decide(0.3, True) == (0.3, True)
    assert network.weight.grad.tolist() == [[1.0, -2.0, 0.5]]


def test_a_lost_process_is_told_in_one_line(monkeypatch):
    def lost(flat):
        raise RuntimeError("Connection closed by peer\nand more")

    monkeypatch.setattr(processes.distributed, "all_reduce", lost)
    with pytest.raises(PIVError, match=r"resume the run from its last checkpoint, if it has one$"):
        Gang(0, 2).share(with_gradient([1.0, 1.0, 1.0]), [])


def _dies(*_):
    os._exit(7)


def _nothing(gang):
    gang.meet()


def test_a_process_that_ends_before_it_began_is_told_at_once(monkeypatch):
    monkeypatch.setattr(processes, "_other", _dies)
    with (
        pytest.raises(PIVError, match=r"ended before it began \(exit status 7\)"),
        processes.others(2, _nothing, 1),
    ):
        pytest.fail("it began")
