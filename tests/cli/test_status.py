"""``piv status``: done, failed, pending, reasons and the worst pairs, at any time."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from piv.cli import main
from piv.cli.progress import failure_text
from piv.io.store import ResultsWriter, pack_analysis, packed_failure, write_analysis
from piv.types import Analysis, VectorField

Capture = pytest.CaptureFixture[str]


def _analysis(valid: float, largest: float) -> Analysis:
    values = np.zeros((4, 7), np.float32)
    coarse = VectorField(
        x=np.arange(7.0), y=np.arange(4.0), u=values, v=values, flags=values.astype(np.uint16)
    )
    quality = {"valid": valid, "largest_displacement": largest, "peak_locking": np.nan}
    return Analysis(coarse, None, quality)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Pairs 10, 12, ... 20: three done, one failed, two pending."""
    path = tmp_path / "Lauf 1 – 渦.h5"
    with ResultsWriter.create(
        path, count=6, template=_analysis(0, 0), provenance={}, pairs=range(10, 22, 2),
        names=[f"{letter}.tif" for letter in "abcdef"],
    ) as writer:  # fmt: skip
        done = [(0, 99.5, 4.0), (1, 71.0, 3.0), (4, 98.0, 25.0)]
        writer.write(
            [pack_analysis(_analysis(v, d), n, seconds=n + 0.5) for n, v, d in done]
            + [packed_failure(3, "d.tif: the second frame\nholds NaN", seconds=0.1)]
        )
    return path


def test_a_run_is_told_in_one_look(run: Path, capfd: Capture) -> None:
    assert main(["status", str(run)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"{run}: 6 pair(s)",
        "  done                  3",
        "  failed                1",
        "  pending               2",
        "  time                  median 1 s a pair",
        "  valid vectors         median 98 %, lowest 71 % in pair 12 (b.tif)",
        "  largest displacement  median 4 px, highest 25 px in pair 18 (e.tif)",
        f"  failed: {failure_text(16, 'd.tif', 'd.tif: the second frame holds NaN')}",
    ]


def test_the_same_for_machines(run: Path, capfd: Capture) -> None:
    assert main(["status", str(run), "--json"]) == 0

    def refuse(text: str) -> Any:
        raise AssertionError(f"{text} is not JSON")

    told = json.loads(capfd.readouterr().out, parse_constant=refuse)
    assert [told[name] for name in ("pairs", "done", "failed", "pending")] == [6, 3, 1, 2]
    assert told["running"] is False
    assert told["failures"] == [
        {"index": 16, "name": "d.tif", "reason": "d.tif: the second frame holds NaN"}
    ]
    assert told["quality"]["valid"]["median"] == 98
    assert told["quality"]["valid"]["lowest"][0] == {"index": 12, "name": "b.tif", "value": 71}
    assert [each["index"] for each in told["quality"]["valid"]["highest"]] == [10, 18, 12]
    assert told["quality"]["peak_locking"] == {"median": None, "lowest": [], "highest": []}


def test_a_run_that_goes_on_is_read_too(run: Path, capfd: Capture) -> None:
    with ResultsWriter.open(run) as writer:
        writer.write([pack_analysis(_analysis(50, 1), 2)])
        assert main(["status", str(run)]) == 0
        assert "6 pair(s), a run is writing\n  done                  4\n" in capfd.readouterr().out
    assert main(["status", str(run)]) == 0
    assert "writing" not in capfd.readouterr().out


def test_nothing_is_changed_by_looking(run: Path, capfd: Capture) -> None:
    before = run.read_bytes()
    assert main(["status", str(run)]) == 0
    assert run.read_bytes() == before
    assert list(run.parent.iterdir()) == [run]


def test_a_single_analysis_is_a_run_of_one(tmp_path: Path, capfd: Capture) -> None:
    analysis = dataclasses.replace(_analysis(90, 2), provenance={"input": {"name": "a, b"}})
    write_analysis(tmp_path / "f.h5", analysis, seconds=2)
    assert main(["status", str(tmp_path / "f.h5")]) == 0
    assert "in pair 0 (a, b)" in capfd.readouterr().out


def test_a_run_of_nothing_yet(tmp_path: Path, capfd: Capture) -> None:
    path = tmp_path / "s.h5"
    ResultsWriter.create(path, count=3, template=_analysis(0, 0), provenance={}).close()
    assert main(["status", str(path)]) == 0
    assert capfd.readouterr().out.splitlines()[1:] == [
        "  done                  0",
        "  failed                0",
        "  pending               3",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no such file"), (b"text", "not an HDF5 file, or it is damaged")],
)
def test_what_is_no_result_is_one_line(
    tmp_path: Path, content: bytes | None, message: str, capfd: Capture
) -> None:
    path = tmp_path / "s.h5"
    if content is not None:
        path.write_bytes(content)
    assert main(["status", str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
