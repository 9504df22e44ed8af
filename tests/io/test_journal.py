"""Transactions: the bad thing is made to happen wherever it can, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
import stores

from piv.errors import InputError, StorageError
from piv.io import journal
from piv.io.results.packed import PackedPair
from piv.io.results.reader import open_results
from piv.io.results.writer import ResultsWriter

HERE = Path(__file__).resolve().parent
BEFORE, ADDED = range(4), range(4, 8)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system outlives these tests: nothing needs to be durable."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class _Death(BaseException):
    """The process is killed here."""


class _System:
    """What the journal asks of the system, each call counted and perhaps refused."""

    def __init__(self, refuse: Callable[[int, str, Any], None]) -> None:
        self.calls: list[str] = []
        self._refuse = refuse

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def told(self, what: str, detail: Any = None) -> None:
        self.calls.append(what)
        self._refuse(len(self.calls) - 1, what, detail)

    def open(self, path: Any, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            self.told("create")
        return os.open(path, flags, *mode)

    def write(self, handle: int, data: Any) -> int:
        self.told("write", (handle, data))
        return os.write(handle, data)

    def fsync(self, handle: int) -> None:
        self.told("fsync")

    def ftruncate(self, handle: int, size: int) -> None:
        self.told("ftruncate")
        os.ftruncate(handle, size)


@contextmanager
def _refusing(
    monkeypatch: pytest.MonkeyPatch, refuse: Callable[[int, str, Any], None]
) -> Iterator[_System]:
    system = _System(refuse)
    replace, unlink = Path.replace, Path.unlink

    def told_replace(self: Path, target: Path) -> Path:
        system.told("rename")
        return replace(self, target)

    def told_unlink(self: Path, missing_ok: bool = False) -> None:
        system.told("remove")
        unlink(self, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(journal, "os", system)
        patched.setattr(Path, "replace", told_replace)
        patched.setattr(Path, "unlink", told_unlink)
        yield system


class _Store(NamedTuple):
    """A store of twelve pairs, four of them finished; the same after one more transaction."""

    begun: Path
    added: Path
    more: list[PackedPair]


def _store(folder: Path, dense: tuple[int, int] | None) -> _Store:
    begun, added = folder / "begun.h5", folder / "added.h5"
    more = [stores.packed(n, dense) for n in ADDED]
    with stores.create(begun, dense=dense) as writer:
        writer.write([stores.packed(n, dense) for n in BEFORE])
    shutil.copy(begun, added)
    with ResultsWriter.open(added) as writer:
        writer.write(more)
    return _Store(begun, added, more)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> _Store:
    return _store(tmp_path_factory.mktemp("store"), stores.DENSE)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> _Store:
    """Coarse fields only: fewer writes, which are all tried."""
    return _store(tmp_path_factory.mktemp("small"), None)


def _listing(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def _half(detail: Any) -> None:
    """Half of a write reaches the disk."""
    handle, data = detail
    os.write(handle, data[: len(data) // 2])


def test_death_at_any_call_leaves_all_of_a_transaction_or_nothing(
    small: _Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = stores.content(small.begun), stores.content(small.added)
    path = tmp_path / "s.h5"
    seen = []
    for last in range(1000):

        def die(number: int, what: str, detail: Any, last: int = last) -> None:
            if number == last and what == "write":
                _half(detail)
            if number >= last:  # the dead do nothing any more
                raise _Death

        shutil.copy(small.begun, path)
        writer = ResultsWriter.open(path)
        with _refusing(monkeypatch, die) as system:
            try:
                writer.write(small.more)
            except _Death:
                died = True
            else:
                died = False
        writer.close()
        seen.append(system.calls[last] if died else "end")
        happened = "rename" in system.calls[:last]
        ResultsWriter.open(path).close()
        assert stores.content(path) == (after if happened else before), seen
        assert _listing(path) == ["s.h5"]
        if not died:
            break
        assert path.stat().st_size == (small.added if happened else small.begun).stat().st_size
        with ResultsWriter.open(path) as writer:  # and it goes on as if nothing had been
            writer.write(small.more)
        assert stores.content(path) == after
    # appending, the journal, and its application were all met
    assert seen.count("write") > 20
    for name in ("create", "rename", "remove", "fsync", "end"):
        assert name in seen


@pytest.mark.parametrize(("lasting", "whole"), [(False, False), (True, False), (True, True)])
def test_a_disk_that_is_full_at_any_write_costs_nothing_that_was_stored(
    small: _Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lasting: bool,
    whole: bool,
) -> None:
    after, path = stores.content(small.added), tmp_path / "s.h5"
    told: list[str] = []
    for first in range(1000):

        def full(number: int, what: str, detail: Any, first: int = first) -> None:
            if what in ("write", "create", "fsync") and (
                number == first or (lasting and number > first)
            ):
                if what == "write" and not whole:
                    _half(detail)
                raise OSError(errno.ENOSPC, "No space left on device")

        shutil.copy(small.begun, path)
        with ResultsWriter.open(path) as writer:
            with _refusing(monkeypatch, full) as system:
                try:
                    writer.write(small.more)
                    stored = True
                except StorageError as error:
                    stored = False
                    told.append(str(error))
            # room again: what was finished is there, and the rest can be stored
            status = writer.status
            assert (status[list(BEFORE)] == 1).all()
            if stored:
                assert (status[list(ADDED)] != 0).all()
            writer.write([pair for pair in small.more if status[pair.position] == 0])
        assert stores.content(path) == after
        assert _listing(path) == ["s.h5"]
        if first >= len(system.calls):
            break
    assert (len(told) > 10) == lasting  # a passing refusal is overcome by trying again
    for message in told:
        assert "No space left on device" in message
        assert "run the same command again" in message


def test_what_finds_room_is_stored_before_the_full_disk_is_told(
    store: _Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.h5"
    shutil.copy(store.begun, path)
    room = path.stat().st_size + store.more[0].nbytes + store.more[1].nbytes + 30_000

    def full(number: int, what: str, detail: Any) -> None:
        if what == "write" and os.lseek(detail[0], 0, os.SEEK_CUR) + len(detail[1]) > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    with ResultsWriter.open(path) as writer:
        with _refusing(monkeypatch, full), pytest.raises(StorageError, match="No space left"):
            writer.write(store.more)
        # the third is as large as the others; the failure (position 6) takes no room
        assert writer.status[:8].tolist() == [1, 1, 1, 1, 1, 1, 2, 0]


def test_ctrl_c_in_a_transaction_undoes_it_or_it_has_happened(
    small: _Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = stores.content(small.begun), stores.content(small.added)
    path = tmp_path / "s.h5"
    ends = set()
    for last in range(0, 1000, 3):

        def interrupt(number: int, what: str, detail: Any, last: int = last) -> None:
            if number == last:
                raise KeyboardInterrupt

        shutil.copy(small.begun, path)
        with ResultsWriter.open(path) as writer:
            with _refusing(monkeypatch, interrupt) as system:
                try:
                    writer.write(small.more)
                    interrupted = False
                except KeyboardInterrupt:
                    interrupted = True
            assert len(writer.done) in (4, 7)
        now = stores.content(path)
        assert now in (before, after)
        ends.add((interrupted, now == after))
        if not interrupted:
            break
        assert last < len(system.calls)
    assert ends >= {(True, False), (False, True)}


@pytest.mark.parametrize("cut", [0, 7, 8, 40, 100, -33, -32, -1])
def test_a_torn_journal_is_no_journal(store: _Store, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "s.h5"
    shutil.copy(store.begun, path)
    whole = _hot_journal(path, store)
    journal.journal_path(path).write_bytes(whole[:cut])
    assert journal.recover(path)
    assert stores.content(path) == stores.content(store.begun)
    assert _listing(path) == ["s.h5"]


@pytest.mark.parametrize("place", [0, 9, 30, 200, -1])
def test_a_journal_with_a_changed_byte_is_no_journal(
    store: _Store, tmp_path: Path, place: int
) -> None:
    path = tmp_path / "s.h5"
    shutil.copy(store.begun, path)
    changed = bytearray(_hot_journal(path, store))
    changed[place] ^= 1
    journal.journal_path(path).write_bytes(changed)
    assert journal.recover(path)
    assert path.read_bytes() == store.begun.read_bytes()


def test_a_whole_journal_is_applied_as_often_as_needed(store: _Store, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    shutil.copy(store.begun, path)
    whole = _hot_journal(path, store)
    for _ in range(3):
        journal.journal_path(path).write_bytes(whole)
        assert journal.recover(path)
        assert stores.content(path) == stores.content(store.added)
    assert not journal.recover(path)


def test_the_journal_of_another_file_is_not_applied(store: _Store, tmp_path: Path) -> None:
    path, other = tmp_path / "s.h5", tmp_path / "other.h5"
    shutil.copy(store.begun, path)
    foreign = _hot_journal(path, store)
    with stores.create(other) as writer:
        writer.put(0, "nothing")
    before = other.read_bytes()
    journal.journal_path(other).write_bytes(foreign)
    with pytest.raises(InputError, match=r"\.other\.h5\.journal belongs to another file"):
        ResultsWriter.open(other)
    with pytest.raises(InputError, match="belongs to another file"):
        open_results(other)
    assert other.read_bytes() == before
    assert journal.journal_path(other).read_bytes() == foreign  # kept: it may be of use elsewhere
    with stores.create(other, overwrite=True) as writer:  # asked for
        assert len(writer.pending) == 12
    assert not journal.journal_path(other).exists()


def test_a_reader_finishes_the_commit_of_a_dead_writer(store: _Store, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    shutil.copy(store.begun, path)
    _hot_journal(path, store)
    assert len(open_results(path).done) == 7
    assert stores.content(path) == stores.content(store.added)
    assert _listing(path) == ["s.h5"]


def _hot_journal(path: Path, store: _Store) -> bytes:
    """Leave a store as a writer does that is killed just before it applies its journal."""
    with pytest.MonkeyPatch.context() as patched:

        def die(*_: Any) -> None:
            raise _Death

        writer = ResultsWriter.open(path)
        patched.setattr(journal, "_apply", die)
        with pytest.raises(_Death):
            writer.write(store.more)
        writer.close()
    return journal.journal_path(path).read_bytes()


def test_one_process_writes(store: _Store, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    shutil.copy(store.begun, path)
    code = """
        import sys, time
        from pathlib import Path
        from piv.io.results.writer import ResultsWriter
        writer = ResultsWriter.open(Path(sys.argv[1]))
        print("open", flush=True)
        time.sleep(100)
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            assert journal.is_written(path)
            with pytest.raises(InputError, match=r"another process is writing .*s\.h5"):
                journal.acquire(path, timeout=0)
            assert len(open_results(path).done) == 4  # reading disturbs nobody
        finally:
            process.kill()
    assert not journal.is_written(path)
    with ResultsWriter.open(path) as writer:  # the lock has died with its holder
        writer.write(store.more)
    assert _listing(path) == ["s.h5"]


def test_what_is_no_store_of_a_run_cannot_be_continued(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    with pytest.raises(InputError, match="there is no such file"):
        ResultsWriter.open(path)
    with h5py.File(path, "w") as other:
        other["u"] = np.zeros(100)
    before = path.read_bytes()
    with pytest.raises(InputError, match="cannot be continued"):
        ResultsWriter.open(path)
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="cannot be continued"):
        ResultsWriter.open(path)
    path.write_bytes(before[:-50])
    with pytest.raises(InputError, match="cannot be continued"):
        ResultsWriter.open(path)


def test_a_store_that_has_lost_its_end_is_told_to_be_damaged(store: _Store, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    path.write_bytes(store.begun.read_bytes()[:-5000])
    with pytest.raises(InputError, match="damaged"):
        ResultsWriter.open(path)
    assert _listing(path) == ["s.h5"]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed process is a fork")


@needs_fork
def test_a_writer_that_is_killed_again_and_again_ends_with_the_same_file(tmp_path: Path) -> None:
    _kill(tmp_path, kills=30, seed=1)


@needs_fork
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_writer_that_is_killed_hundreds_of_times(tmp_path: Path, seed: int) -> None:
    report = _kill(tmp_path, kills=300, seed=seed)
    assert len(report["phases"]) >= 4, report


def _kill(folder: Path, kills: int, seed: int) -> Any:
    words = [str(HERE / "killing.py"), *map(str, (folder, kills, seed))]
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert sum(report["phases"].values()) == kills
    assert report["finished"] >= 1
    return report


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of files")
def test_a_file_that_may_not_grow_keeps_what_is_in_it_and_goes_on_later(
    store: _Store, tmp_path: Path
) -> None:
    path = tmp_path / "s.h5"
    shutil.copy(store.begun, path)
    code = """
        import os, resource, sys
        from pathlib import Path
        import stores
        from piv.errors import StorageError
        from piv.io.results.writer import ResultsWriter

        path = Path(sys.argv[1])
        limit = path.stat().st_size + 250_000  # room for two pairs
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with ResultsWriter.open(path) as writer:
            for _ in range(2):
                try:
                    writer.write([stores.packed(n) for n in range(4, 8)])
                except StorageError as error:
                    print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], capture_output=True, text=True,
        check=False, cwd=HERE, env={**os.environ, "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("File too large") == 2
    results = open_results(path)
    assert results.status[:4].tolist() == [1] * 4
    assert results.status[6] == 2
    assert (results.status[[4, 5, 7]] == 1).any()
    assert (results.status[[4, 5, 7]] == 0).any()
    with ResultsWriter.open(path) as writer:
        writer.write([pair for pair in store.more if results.status[pair.position] == 0])
    assert stores.content(path) == stores.content(store.added)
