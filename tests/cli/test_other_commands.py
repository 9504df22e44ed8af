"""``piv settings``, ``piv doctor``, ``piv --version``."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

import piv
from piv import settings as stages
from piv.cli import main
from piv.presets import PRESETS

Capture = pytest.CaptureFixture[str]


def test_the_version_is_that_of_the_package(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ccfcn-piv {version('ccfcn-piv')}\n"


@pytest.mark.parametrize("preset", PRESETS)
def test_the_template_reads_back_as_the_preset(preset: str, capsys: Capture) -> None:
    assert main(["settings", "--preset", preset]) == 0
    text = capsys.readouterr().out
    assert stages.from_toml(text) == PRESETS[preset].settings
    assert text.count("\n# ") >= sum(
        len(stages.to_dict(piv.Settings())[s]) for s in stages.stages()
    )


def test_the_template_of_no_preset_is_the_standard(capsys: Capture) -> None:
    assert main(["settings"]) == 0
    assert stages.from_toml(capsys.readouterr().out) == piv.Settings()


def test_the_doctor_looks_at_every_part_and_its_status_agrees(capsys: Capture) -> None:
    status = main(["doctor"])
    out, err = capsys.readouterr()
    rows = re.findall(r"^  (ok  |FAIL)  (\S+) +(\S.*)$", out, re.MULTILINE)
    assert [name for _, name, _ in rows] == [
        "ccfcn-piv", "python", "processor", "torch", "OpenCV", "HDF5", "Qt", "weights", "coarse",
        "dense",
    ]  # fmt: skip
    assert err == ""
    assert status == any(verdict == "FAIL" for verdict, _, _ in rows)
    verdicts = {name: verdict.strip() for verdict, name, _ in rows}
    del verdicts["weights"], verdicts["dense"]
    assert set(verdicts.values()) == {"ok"}


def test_the_doctor_finds_damaged_weights(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise piv.WeightsError("the weights\nare damaged")

    monkeypatch.setattr("piv.network.weights.load_model", damaged)
    assert main(["doctor"]) == 1
    assert "  FAIL  weights      the weights are damaged\n" in capsys.readouterr().out


def test_the_doctor_finds_a_wrong_field(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from piv.pipeline import analyse

    def wrong(first: object, second: object, **options: object) -> piv.Analysis:
        options["model"] = None
        return analyse(second, first, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("piv.pipeline.analyse", wrong)
    assert main(["doctor"]) == 1
    assert re.search(r"FAIL  coarse +self-test: error 7\.\d+ px rms", capsys.readouterr().out)
