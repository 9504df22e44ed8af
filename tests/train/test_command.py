"""The real command in its own process: killed, stopped, resumed; several processes; mistakes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from piv.cli import main, train
from piv.network.weights import read_weights
from piv.train import checkpoint

from .conftest import TINY

RECIPE = """
source = "synth:training"
render = 64
crop = 48
batch = 2
reuse = 2
pool = 3
windows = [[32]]
repeats = [1]
warm_up = 2
validation_pairs = 1
calibration_pairs = 1
[network]
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "my recipe.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in TINY.items()]
    path.write_text(RECIPE + "\n".join(lines) + "\n", "utf-8")
    return path


def command(*words, group=False):
    # a machine with one processor can run the test of two processes as well
    call = (
        "import os, sys; os.cpu_count = lambda: 2; "
        "from piv.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", call, "train", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=group,
    )  # fmt: skip


def wait_for(path, process, seconds=120):
    """A generous limit: it is there so that a broken command fails instead of hanging."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, f"{path.name} did not appear"
        time.sleep(0.02)


def tensors_of(folder):
    return read_weights(folder / "weights.safetensors")[0]


def test_killed_and_resumed_equals_uninterrupted(tmp_path, recipe):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(["train", str(recipe), "-o", str(whole), "--steps", "24"]) == 0
    process = command(recipe, "-o", killed, "--steps", 24, "--checkpoint-every", "1ms")
    wait_for(killed / checkpoint.NAME, process)
    process.kill()
    process.communicate()
    before = checkpoint.read(killed / checkpoint.NAME)["step"]
    assert 0 < before < 24
    assert not (killed / "weights.safetensors").exists()
    assert main(["train", "--resume", "-o", str(killed)]) == 0
    first, second = tensors_of(whole), tensors_of(killed)
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to catch")
@pytest.mark.parametrize(("kind", "status"), [("SIGTERM", 3), ("SIGINT", 130)])
def test_a_stopped_run_leaves_a_checkpoint(tmp_path, recipe, kind, status):
    folder = tmp_path / "run"
    process = command(recipe, "-o", folder, "--steps", 100000, "--checkpoint-every", "1ms")
    wait_for(folder / checkpoint.NAME, process)
    process.send_signal(signal.Signals[kind])
    error = process.communicate()[1]
    assert process.returncode == status
    assert "--resume" in error.splitlines()[-1]
    step = checkpoint.read(folder / checkpoint.NAME)["step"]
    assert f"stopped at step {step};" in error


@pytest.mark.skipif(sys.platform == "win32", reason="files have no size limit there")
def test_a_full_disk_at_a_checkpoint_is_told_and_the_last_one_stays(tmp_path, recipe):
    folder = tmp_path / "run"
    words = ["train", str(recipe), "-o", str(folder), "--steps", "40", "--checkpoint-every", "0.01"]
    call = (
        "import resource, sys, threading, pathlib, time\n"
        "from piv.cli import main\n"
        "path = pathlib.Path(sys.argv[4]) / 'checkpoint.pt'\n"
        "def fill():\n"
        "    while not path.exists():\n"
        "        time.sleep(0.01)\n"
        "    half = path.stat().st_size // 2\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (half, resource.RLIM_INFINITY))\n"
        "threading.Thread(target=fill, daemon=True).start()\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", call, *words], check=False,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(f"piv: error: cannot write {folder}")
    assert "Traceback" not in done.stderr
    assert checkpoint.read(folder / checkpoint.NAME)["step"] >= 1
    assert not list(folder.glob(".*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
def test_a_signal_to_all_processes_of_a_run_leaves_a_checkpoint(tmp_path, recipe):
    """As a batch system or `timeout` sends it."""
    folder = tmp_path / "run"
    words = [recipe, "-o", folder, "--steps", "100000", "--processes", "2"]
    process = command(*words, "--checkpoint-every", "0.01", group=True)
    wait_for(folder / checkpoint.NAME, process)
    (folder / checkpoint.NAME).unlink()
    os.killpg(process.pid, signal.SIGTERM)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 3, error
    assert "--resume" in error
    assert "--processes 2" in error
    assert checkpoint.read(folder / checkpoint.NAME)["step"] >= 1


def test_two_processes_train_together_on_pairs_of_their_own(tmp_path, recipe):
    folder = tmp_path / "run"
    process = command(recipe, "-o", folder, "--steps", 5, "--processes", 2)
    error = process.communicate()[1]
    assert process.returncode == 0, error
    record = read_weights(folder / "weights.safetensors")[1]
    assert (record["steps"], record["crops"]) == (5, 20)
    assert record["stages"][0]["processes"] == 2
    assert main(["train", "--resume", "-o", str(folder), "--steps", "6"]) == 2


def test_the_command_prints_name_and_hash(tmp_path, recipe, capsys):
    folder = tmp_path / "run"
    assert main(["train", str(recipe), "-o", str(folder), "--steps", "2", "--name", "mine"]) == 0
    out, err = capsys.readouterr()
    _, record, sha256 = read_weights(folder / "weights.safetensors")
    assert out.splitlines()[-2:] == ["name mine", f"sha256 {sha256}"]
    assert record["name"] == "mine"
    assert "validation (mean end-point error, px)" in err
    assert "left 0:0" in err


BAD_NAMES = (
    "", " ", "a b", "a/b", "a\\b", "../a", ".hidden", "-dash", "_", "a.", "a\n", "a:b", "x" * 101,
    "mine.safetensors", "mine.SafeTensors", "default", "Default", "none", "NONE",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cannot_serve_is_refused_before_training(tmp_path, recipe, capsys, name):
    folder = tmp_path / "run"
    words = ["train", str(recipe), "-o", str(folder), "--steps", "1", f"--name={name}"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "argument --name: " in error
    assert len(error.splitlines()) == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [("run-1", "run-1"), ("My run, 渦", "My-run-渦"), (".hidden", "hidden"), ("none", "weights")],
)
def test_without_a_name_the_folder_gives_one_that_serves(tmp_path, folder, name):
    assert train._name_of(tmp_path / folder) == name
    assert train._name(name) == name


def test_no_more_processes_than_processors(tmp_path, recipe, capsys, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    words = ["train", str(recipe), "-o", str(tmp_path / "run"), "--processes"]
    assert main([*words, "5"]) == 2
    error = capsys.readouterr().err
    assert error.endswith(
        "this machine has 4 processors: at most as many processes are wanted, not 5\n"
    )
    assert not (tmp_path / "run").exists()
    assert train._processes("4") == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a recipe to train by"),
        (["nothing"], "unknown recipe nothing"),
        (["nothing.toml"], "cannot read the recipe nothing.toml"),
        (["standard", "--steps", "0"], "whole number from 1"),
        (["standard", "--minutes", "nan"], "positive number"),
        (["standard", "--minutes", "1", "--steps", "1"], "not allowed with"),
        (["standard", "--start-from", "nowhere.safetensors"], "nowhere.safetensors"),
        (["standard", "--start-from", "none"], "leave --start-from out for random"),
        (["standard", "--resume"], "cannot read the checkpoint"),
        (["standard", "--resume", "--start-from", "x"], "leave out --start-from"),
    ],
)
def test_mistakes_get_one_line_and_status_2(tmp_path, capsys, words, message):
    assert main(["train", "-o", str(tmp_path / "run"), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_terminal_gets_a_bar(tmp_path, recipe, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["train", str(recipe), "-o", str(tmp_path / "run"), "--steps", "3"]) == 0
    error = capsys.readouterr().err
    assert "100%" in error
    assert "crops/s" in error
    assert "validation (mean end-point error, px)" in error


def test_a_folder_that_cannot_be_made_is_named(tmp_path, recipe, capsys):
    (tmp_path / "file").write_text("", "utf-8")
    assert main(["train", str(recipe), "-o", str(tmp_path / "file" / "run")]) == 2
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("memory = -1", "memory must be a whole number from 0, not -1"),
        ("image_widths = []", "image_widths must name at least one level"),
        ("base_sigmas = 3.0", "base_sigmas must be a list of numbers above 0"),
        ('turned = "yes"', "turned must be true or false"),
        ("depth = 4", "unknown network settings: depth"),
    ],
)
def test_a_network_that_cannot_be_is_told_in_one_line(tmp_path, capsys, line, part):
    path = tmp_path / "odd.toml"
    path.write_text(f"[network]\n{line}\n", "utf-8")
    assert main(["train", str(path), "--steps", "1", "-o", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert "the recipe's table network is not usable" in message
    assert part in message
    assert len(message.strip().splitlines()) == 1
