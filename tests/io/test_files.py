"""Nothing half-written ever stands under the final name."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from piv.errors import PIVError
from piv.io.files import replacing
from piv.io.hdf5 import Patient, replacing_hdf5


def test_a_file_appears_with_its_content(tmp_path: Path) -> None:
    target = tmp_path / "ä b.bin"
    with replacing(target) as file:
        file.write(b"content")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_a_failure_the_old_file_stays_alone(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def half() -> None:
        with replacing(target) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(PIVError, match=r"cannot write .*a\.bin: No space left on device"),
        replacing(tmp_path / "a.bin"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_very_long_name_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 240 + ".bin")
    with replacing(target) as file:
        file.write(b"1")
    assert target.read_bytes() == b"1"


class _Full(io.BytesIO):
    """A disk that is full after some bytes."""

    room = 3000
    failure: BaseException = OSError(errno.ENOSPC, "No space left on device")

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[call-overload]
        if self.tell() + view.nbytes > self.room:
            raise self.failure
        return super().write(view)


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_hdf5_can_close_a_file_that_could_not_be_written(failure: BaseException) -> None:
    disk = _Full()
    disk.failure = failure
    patient = Patient(disk)
    with h5py.File(patient, "w") as store:
        store["a"] = np.arange(5000)
    assert not store
    with pytest.raises(type(failure)):
        patient.check()


def test_a_file_that_could_be_written_passes_the_check(tmp_path: Path) -> None:
    with replacing_hdf5(tmp_path / "a.h5") as (store, check):
        store["a"] = np.arange(5000)
        check()
    with h5py.File(tmp_path / "a.h5") as store:
        assert store["a"][-1] == 4999
