"""Computing processes: what travels, what is cleaned up, and what survives which death."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from desktop.stand_ins import WAIT, an_analysis
from gui.compute.client import Client, remove_leftovers
from gui.compute.protocol import LARGE, Reply, Scratch, file_of
from piv.errors import PIVError
from piv.types import Analysis, ImagePair

TASKS = "desktop.tasks"
LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """For tests that leave their process alive."""
    made = Client(5, tmp_path_factory.mktemp("Ablage"), threads=1, package=TASKS)
    yield made
    made.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    made = Client(5, tmp_path / "Ablage für Felder", threads=1, package=TASKS)
    yield made
    made.close()


def answer(client: Client, number: int | None = None) -> Reply:
    """The next reply that is no progress."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        reply = client.receive(1.0)
        if reply is not None and reply.kind != "progress":
            assert number in (None, reply.id)
            return reply
    raise AssertionError("no answer came")


def ask(client: Client, task: str, **arguments: Any) -> Any:
    reply = answer(client, client.send(f"sample.{task}", **arguments))
    assert reply.kind == "done", reply.value
    return reply.value


def files(client: Client) -> list[str]:
    gc.collect()
    return sorted(path.name for path in client.folder.glob("*.npy"))


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process is at work: neither gone nor waiting to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# what travels


def large(shape=(300, 401), dtype=np.float64):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def test_small_values_travel_as_they_are(shared):
    value = {"a": [1, (2.5, "ü"), None], "b": np.arange(5)}
    back = ask(shared, "echo", value=value)
    assert back["a"] == value["a"]
    np.testing.assert_array_equal(back["b"], value["b"])
    assert files(shared) == []


@pytest.mark.parametrize(
    "array",
    [
        large(),
        np.asfortranarray(large()),
        large()[::-1, 3:300:2],
        large((40, 50, 60), np.uint16),
        large((40000,), np.uint8) if LARGE < 40000 else large((80000,), np.uint8),
        large(dtype=np.float32) > 1000,
        large(dtype=np.int64).view("M8[s]"),
        np.zeros(9000, [("x", "f8"), ("n", "i4")]),
    ],
    ids=["plain", "Fortran", "cut", "3-D", "bytes", "bool", "times", "records"],
)
def test_every_kind_of_large_array_arrives_unchanged_and_read_only(shared, array):
    assert array.nbytes > LARGE
    back = ask(shared, "echo", value=array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert not back.flags.writeable
    assert file_of(back) is not None
    facts = ask(shared, "facts", array=back)
    assert not facts["writeable"]


def test_arrays_are_found_at_any_depth(shared):
    array = large()
    value = {"list": [(array, {"deep": [array]})], 3: {"cut": array[5:250]}}
    back = ask(shared, "echo", value=value)
    np.testing.assert_array_equal(back["list"][0][0], array)
    np.testing.assert_array_equal(back["list"][0][1]["deep"][0], array)
    np.testing.assert_array_equal(back[3]["cut"], array[5:250])
    assert len(files(shared)) == 2  # the array once, the cut once


def test_fields_pairs_and_mappings_travel(shared):
    analysis = an_analysis((150, 210))
    analysis = dataclasses.replace(analysis, provenance=MappingProxyType(analysis.provenance))
    back: Analysis = ask(shared, "echo", value=analysis)
    for stage in ("coarse", "dense"):
        old, new = getattr(analysis, stage), getattr(back, stage)
        for name in ("x", "y", "u", "v", "flags", "uncertainty_u"):
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
        assert dict(new.attrs) == dict(old.attrs)
    assert dict(back.provenance) == dict(analysis.provenance)
    assert isinstance(back.provenance, MappingProxyType)
    frames = large((300, 401), np.uint16)
    pair = ask(shared, "echo", value=ImagePair(frames, frames[::-1], 1e-3, frames > 70000, "p"))
    np.testing.assert_array_equal(pair.second, frames[::-1])
    assert (pair.dt, pair.name) == (1e-3, "p")


def test_what_came_travels_again_without_being_written_again(shared):
    first = ask(shared, "ones", shape=(300, 400), value=7.0)
    known = files(shared)
    assert len(known) == 1
    again = ask(shared, "echo", value={"whole": first, "part": first[10:200, ::3]})
    assert files(shared) == known
    assert file_of(again["whole"]) == file_of(first)
    np.testing.assert_array_equal(again["part"], first[10:200, ::3])
    cut = ask(shared, "rows", field=np.asarray(first), first=3, last=290)
    assert files(shared) == known
    assert cut.shape == (287, 200)
    assert cut[0, 0] == 7.0


def test_what_came_from_one_process_travels_to_another_without_being_written_again(shared):
    other = Client(10, shared.folder.parent, threads=1, package=TASKS)
    try:
        field = ask(shared, "ones", shape=(300, 400), value=3.0)
        back = ask(other, "echo", value=field)
        assert files(other) == []
        assert len(files(shared)) == 1
        assert back[0, 0] == 3.0
        del field
        assert len(files(shared)) == 1  # it is still looked at
        del back
        assert files(shared) == []
    finally:
        other.close()


# what is cleaned up


def test_files_go_with_the_last_array_that_looks_into_them(shared):
    array = ask(shared, "ones", shape=(300, 400))
    part = array[7:9, 1:]
    plain = np.asarray(part)
    assert len(files(shared)) == 1
    del array, part
    assert len(files(shared)) == 1
    assert plain[0, 0] == 1
    del plain
    assert files(shared) == []


@pytest.mark.skipif(not LINUX, reason="looks at /proc")
def test_removed_files_do_not_stay_open(shared):
    def held() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        targets = [str(link.readlink()) for link in links]
        return sum(str(shared.folder) in target and ".npy" in target for target in targets)

    array = ask(shared, "ones", shape=(300, 400))
    assert file_of(array) is not None
    del array
    assert files(shared) == []
    ask(shared, "echo", value=1)
    assert held() == 0


def test_files_of_a_request_go_when_it_is_answered(shared):
    number = shared.send("sample.facts", array=large())
    facts = answer(shared, number).value
    assert len(facts["files"]) == 1
    assert files(shared) == []


def test_a_request_that_never_began_writes_nothing(client):
    ask(client, "echo", value=0)
    slow = client.send("sample.sleep", seconds=60)
    until(lambda: client.receive(0.01) is None and client.begun(slow))
    waiting = client.send("sample.echo", value=large())
    assert files(client) == []
    client.cancel(waiting)
    client.cancel(slow)
    assert ask(client, "echo", value=1) == 1
    assert files(client) == []


def test_the_folder_goes_at_the_end(tmp_path):
    client = Client(5, tmp_path, package=TASKS)
    field = ask(client, "ones", shape=(300, 400))
    pid = client.pid
    client.close()
    client.close()
    assert list(tmp_path.iterdir()) == []
    assert client.receive(0.1) is None
    assert client.pid is None
    if LINUX:
        assert not alive(pid)
        assert field[0, 0] == 1  # a map outlives its file


LEAVE = """
import sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from gui.compute.client import Client
client = Client(5, Path({folder!r}), package="desktop.tasks")
client.send("sample.ones", shape=(300, 400))
reply = client.receive(60)
client.send("sample.sleep", seconds=600, path={mark!r})
while not Path({mark!r}).exists():
    client.receive(0.05)
print(client.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not LINUX, reason="looks at /proc")
def test_children_end_with_a_killed_parent_and_its_files_go_at_the_next_start(tmp_path):
    mark = str(tmp_path / "begun")
    folder = tmp_path / "scratch"
    code = LEAVE.format(path=sys.path, folder=str(folder), mark=mark)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
        assert alive(child)
        living = Client(5, folder, package=TASKS)  # a second program beside it
        assert sum(path.is_dir() for path in folder.iterdir()) == 2
        parent.kill()
        parent.wait()
    until(lambda: not alive(child))
    (left,) = remove_leftovers(folder)
    assert not left.exists()
    assert living.folder.exists()
    assert ask(living, "echo", value=2) == 2
    living.close()
    assert list(folder.iterdir()) == []


# deaths, and what else goes wrong


def test_errors_of_users_are_one_line_and_bugs_are_tracebacks(shared):
    reply = answer(shared, shared.send("sample.bad_line"))
    assert (reply.kind, reply.value) == ("error", "the frame is missing")
    reply = answer(shared, shared.send("sample.no_memory"))
    assert reply.kind == "error"
    assert "too little memory" in reply.value
    reply = answer(shared, shared.send("sample.bug"))
    assert reply.kind == "bug"
    assert "Traceback" in reply.value
    assert "an injected mistake" in reply.value
    assert ask(shared, "echo", value=3) == 3


@pytest.mark.parametrize("name", ["sample.not_a_task", "sample.nothing", "nowhere.echo", "os"])
def test_only_tasks_can_be_called(shared, name):
    assert answer(shared, shared.send(name)).kind == "bug"


def test_arguments_that_do_not_fit_are_a_bug_not_a_death(shared):
    ask(shared, "echo", value=1)
    pid = shared.pid
    assert answer(shared, shared.send("sample.echo", wrong=1)).kind == "bug"
    assert shared.pid == pid


def test_what_libraries_print_disturbs_nobody(shared):
    assert ask(shared, "noise") == "heard"
    assert ask(shared, "noise") == "heard"


def test_progress_comes_before_the_end_and_in_order(shared):
    number = shared.send("sample.count", total=4)
    told = []
    while (reply := shared.receive(WAIT)) is not None and reply.kind == "progress":
        assert reply.id == number
        told.append(reply.value)
    assert reply is not None
    assert reply.value == 4
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told})
    assert told[-1] == (4, 4, "step 4")


@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_killed_process_is_told_in_plain_words_and_the_queue_goes_on(client, tmp_path):
    mark = tmp_path / "begun"
    number = client.send("sample.sleep", seconds=600, path=str(mark))
    following = client.send("sample.echo", value="after")
    until(lambda: client.receive(0.02) is None and mark.exists())
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    reply = answer(client, number)
    assert reply.kind == "error"
    assert "ended unexpectedly" in reply.value
    assert "memory" in reply.value
    assert "\n" not in reply.value
    assert answer(client, following).value == "after"


@pytest.mark.parametrize("how", ["crash", "quit_quietly"])
@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_tasks_that_end_their_process_do_not_end_the_client(client, how):
    for _ in range(3):
        reply = answer(client, client.send(f"sample.{how}"))
        assert reply.kind == "error"
        assert "ended unexpectedly" in reply.value
    assert ask(client, "echo", value=5) == 5


def test_a_process_that_cannot_start_is_told_each_time_and_never_tried_for_ever(
    tmp_path, monkeypatch
):
    client = Client(5, tmp_path, package=TASKS)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    for _ in range(2):
        reply = answer(client, client.send("sample.echo", value=1))
        assert reply.kind == "error"
        assert "cannot start" in reply.value
    monkeypatch.undo()
    assert ask(client, "echo", value=1) == 1
    client.close()


def test_cancelling_what_runs_ends_it_and_what_waits_goes_on(client, tmp_path):
    mark = tmp_path / "begun"
    slow = client.send("sample.sleep", seconds=600, path=str(mark))
    waiting = client.send("sample.sleep", seconds=0)
    dropped = client.send("sample.mark", path=str(tmp_path / "never"))
    until(lambda: client.receive(0.02) is None and mark.exists())
    pid = client.pid
    client.cancel(dropped)
    client.cancel(slow)
    reply = answer(client)
    assert reply.id == waiting
    assert client.pid != pid
    assert client.outstanding == 0
    assert not (tmp_path / "never").exists()
    client.cancel(slow)  # once more is no harm
    assert ask(client, "echo", value=6) == 6


def test_restart_answers_what_ran(client, tmp_path):
    mark = tmp_path / "begun"
    number = client.send("sample.sleep", seconds=600, path=str(mark))
    until(lambda: client.receive(0.02) is None and mark.exists())
    client.restart()
    assert answer(client, number).kind == "error"
    assert ask(client, "echo", value=7) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_full_disk_in_the_process_is_one_plain_line(client):
    reply = answer(client, client.send("sample.fill_disk", limit=100_000))
    assert reply.kind == "error"
    assert "disk is full" in reply.value
    assert str(client.folder) in reply.value
    assert "\n" not in reply.value
    assert files(client) == []
    assert ask(client, "echo", value=8) == 8


FULL_HERE = """
import resource, sys
sys.path[:0] = {path!r}
from pathlib import Path
import numpy as np
from gui.compute.client import Client
client = Client(5, Path({folder!r}), package="desktop.tasks")
client.send("sample.echo", value=1)
assert client.receive(60).value == 1
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
number = client.send("sample.echo", value=np.zeros(100_000))
reply = client.receive(60)
assert (reply.id, reply.kind) == (number, "error"), reply
print(reply.value)
assert list(client.folder.glob("*.npy")) == []
client.send("sample.echo", value=2)
assert client.receive(60).value == 2
client.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_full_disk_on_this_side_is_one_plain_line_too(tmp_path):
    code = FULL_HERE.format(path=sys.path, folder=str(tmp_path / "scratch"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "disk is full" in done.stdout


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PIVError, match="cannot write temporary files"):
        Client(5, tmp_path / "file" / "scratch")


def test_a_removed_scratch_folder_is_an_error_not_a_crash(client):
    import shutil

    ask(client, "echo", value=1)
    shutil.rmtree(client.folder)
    assert answer(client, client.send("sample.ones", shape=(300, 400))).kind in ("error", "bug")
    assert answer(client, client.send("sample.echo", value=large())).kind == "error"
    assert ask(client, "echo", value="small") == "small"


def test_a_folder_that_goes_while_it_is_swept_is_no_error(tmp_path):
    """Closing removes it, in another thread than the one that cleans up after a dead process."""
    folder, over = tmp_path / "scratch", threading.Event()
    scratch = Scratch(folder, "a_", owner=True)

    def come_and_go():
        while not over.is_set():
            with contextlib.suppress(PermissionError):  # Windows, while it is looked into
                folder.mkdir(exist_ok=True)
                folder.rmdir()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(40_000):
            scratch.sweep("dead_")
    finally:
        over.set()
        thread.join()


@pytest.mark.skipif(not LINUX, reason="reads the niceness of Linux")
def test_processes_stand_back_and_quick_ones_have_one_thread(shared):
    facts = ask(shared, "facts", array=np.zeros(1))
    assert facts["nice"] == min(19, os.nice(0) + 5)
    assert facts["threads"] == "1"


def test_a_reading_process_needs_no_torch(client):
    assert ask(client, "modules", names=["torch", "cv2", "PyQt6", "matplotlib"]) == []


def test_nothing_that_would_load_torch_leaves_a_process(shared):
    reply = answer(shared, shared.send("sample.tensor"))
    assert reply.kind == "bug"
    assert "must not leave its process" in reply.value
    version = ask(shared, "version")
    assert (type(version), version) == (str, "2.0")


def test_maps_of_one_file_are_one_map(tmp_path):
    scratch = Scratch(tmp_path, "t_", owner=True)
    (held,) = scratch.write(scratch.pack(large()))
    name = file_of(held)
    assert name is not None
    second = scratch.map(name)
    del held
    gc.collect()
    assert Path(name).exists()
    np.testing.assert_array_equal(second, large())
    del second
    gc.collect()
    assert not Path(name).exists()


def test_values_of_frozen_classes_keep_their_arrays(shared):
    pair = ImagePair(large((300, 401), np.uint8), large((300, 401), np.uint8))
    named = dataclasses.replace(pair, name="renamed")
    first, second = ask(shared, "echo", value=[pair, named])
    assert (first.name, second.name) == ("", "renamed")
    assert len(files(shared)) == 2  # the frames of both, each once
