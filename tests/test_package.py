"""The installed package: its public names, what it loads, and that its papers agree."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

import piv
from gui.app import main as gui_main

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "Analysis", "Calibration", "Flag", "ImagePair", "InputError", "PIVError", "PairResult",
    "Settings", "SettingsError", "StorageError", "TruePair", "VectorField", "WeightsError",
    "__version__", "analyse", "analyse_series", "calibrate", "load_model", "open_pairs",
    "open_results", "open_store", "plot", "post", "read_field", "read_pair", "uncertainty",
    "write_analysis", "ensemble_correlation", "export_field", "import_field",
}  # fmt: skip
SLOW = ("torch", "matplotlib.pyplot", "PyQt6", "pyqtgraph", "xarray", "distributed", "h5py", "cv2")


def _python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_public_names_are_exactly_these_and_all_exist() -> None:
    assert set(piv.__all__) == NAMES
    assert piv.__all__ == sorted(piv.__all__)
    assert dir(piv) == piv.__all__
    for name in NAMES:
        assert getattr(piv, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'piv' has no attribute 'analyze'"):
        _ = piv.analyze


@pytest.mark.parametrize("module", ["piv", "synth", "gui", "gui.app"])
def test_an_import_loads_nothing_slow(module: str) -> None:
    loaded = _python(f"import sys, {module}; print([m for m in {SLOW!r} if m in sys.modules])")
    assert loaded == "[]"


def test_the_library_and_the_generator_never_load_qt() -> None:
    code = (
        "import sys, pkgutil, importlib, piv, synth\n"
        "for package in (piv, synth):\n"
        "    for item in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not item.name.endswith('__main__'):\n"
        "            importlib.import_module(item.name)\n"
        "print([m for m in sys.modules if m.startswith(('PyQt', 'pyqtgraph', 'gui'))])"
    )
    assert _python(code) == "[]"


def test_the_commands_exist_and_can_be_loaded() -> None:
    scripts = {
        point.name: point
        for group in ("console_scripts", "gui_scripts")
        for point in entry_points(group=group)
        if point.dist is not None and point.dist.name == "ccfcn-piv"
    }
    assert set(scripts) == {"piv", "piv-synth", "piv-gui"}
    for point in scripts.values():
        assert callable(point.load())


def test_the_generator_offers_its_images_under_the_name_synth() -> None:
    (source,) = entry_points(group="piv.data_sources", name="synth")
    assert source.value == "synth.source:open_source"
    assert callable(source.load())


def test_the_core_needs_no_qt() -> None:
    core = [r for r in distribution("ccfcn-piv").requires or [] if "extra ==" not in r]
    assert core
    assert not [r for r in core if re.match(r"pyqt|pyside|opencv-python(?!-headless)", r, re.I)]


def test_the_desktop_entry_without_qt_names_the_command_that_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyQt6", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "PyQt6.QtWidgets", None)
    assert gui_main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert 'pip install "ccfcn-piv[gui]"' in printed.err


def test_the_desktop_entry_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        gui_main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"piv-gui {piv.__version__}\n"


def test_the_papers_name_the_same_version() -> None:
    version = distribution("ccfcn-piv").version
    assert piv.__version__ == version
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in citation


def test_every_dependency_is_pinned_exactly() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), lines
    assert "torch==2.13.0" in lines
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    needed = {
        re.sub(r"[-_.]+", "-", match[0]).lower()
        for requirement in distribution("ccfcn-piv").requires or []
        if (match := re.match(r"[\w.-]+", requirement))
    }
    assert needed - {"ccfcn-piv"} <= pinned


def test_links_between_the_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert len(pages) > 1
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            if target.split("/")[0] not in ("piv", "gui", "synth"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_calibrate_is_the_function_also_after_its_module_was_imported() -> None:
    assert _python("import piv, piv.calibrate; print(callable(piv.calibrate))") == "True"
