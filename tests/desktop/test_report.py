"""The report of a pair and the paragraph for a paper: what they say, and that it is true."""

from __future__ import annotations

import dataclasses
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from desktop.stand_ins import an_analysis
from gui.methods import Method, method_of, paragraph, text
from gui.report import as_html, as_png, collect, flag_table, four_panels, write
from gui.state import CalibrationState
from piv.errors import InputError, PIVError
from piv.network.catalogue import known
from piv.settings import Settings, apply_assignments
from piv.types import Flag, ImagePair

SHAPE = (72, 96)
PX = CalibrationState()
SCALED = CalibrationState(2.1e-5, (10.0, 60.0), 2e-4)


def method(**changes) -> Method:
    plain = Method(Settings(), "ccfcn-2026.11b", "e48791d145e9" + "0" * 52, "ccfcn-piv 1.2.3", PX)
    return dataclasses.replace(plain, **changes)


# -- methods


def test_the_paragraph_names_what_was_used():
    words = paragraph(method(calibration=SCALED, pairs=400, shape=(1024, 1280), masked=True))
    for part in (
        "The 400 image pairs of 1280 x 1024 pixels", "ccfcn-piv (version 1.2.3)", "two passes",
        "64 x 64 and 24 x 24 pixels", "50 % overlap", "threshold 2, noise level 0.1",
        "peaks below 1.2", "peak height below 0.2", "weights ccfcn-2026.11b, SHA-256 e48791d145e9",
        "two steps", "21 µm", "200 µs", "Regions without fluid were masked",
    ):  # fmt: skip
        assert part in words
    assert "\n" not in words
    assert "  " not in words


def test_the_paragraph_follows_the_settings():
    settings = apply_assignments(
        Settings(),
        ["correlate.windows=[[24,48]]", "correlate.overlap=0.75", "correlate.repeats=1",
         "correlate.grow=false", "validate.median_threshold=3.5", "validate.largest=12",
         "preprocess.region=[8,16,64,32]", "preprocess.contrast=local", "refine.views=8",
         "refine.steps=1"],
    )  # fmt: skip
    words = paragraph(method(settings=settings))
    for part in (
        "a single pass", "windows of 48 x 24 pixels", "75 % overlap", "threshold 3.5",
        "displacements above 12 pixels", "region of 64 x 32 pixels", "pixel (8, 16)",
        "local contrast", "in one step", "averaged over 8",
    ):  # fmt: skip
        assert part in words
    for absent in ("iterated", "enlarged", "pixel size"):
        assert absent not in words


def test_a_coarse_result_claims_no_network():
    words = text(method(weights=None, sha256=None))
    assert "network" not in words
    assert "Gao" not in words
    assert "uncertainties" not in words
    assert "10.1007/s00348-005-0016-6" in words
    assert "10.1063/5.0077146" in text(method())


def test_a_result_is_described_by_its_own_provenance():
    settings = apply_assignments(Settings(), ["correlate.windows=[32]"])
    from piv.settings import to_dict

    made = {"settings": to_dict(settings), "package": "ccfcn-piv 0.0.7", "weights": None}
    found = method_of(made, Settings(), "default", PX)
    assert (found.settings, found.weights, found.package) == (settings, None, "ccfcn-piv 0.0.7")
    without = method_of(None, settings, "default", PX)
    assert without.weights == known()[1]
    assert re.fullmatch(r"[0-9a-f]{64}", without.sha256)
    assert method_of(None, settings, "none", PX).weights is None
    assert method_of(None, settings, "gone.safetensors", PX).sha256 is None


# -- report


@pytest.fixture(scope="module")
def analysis():
    made = an_analysis(SHAPE)
    flags = made.coarse.flags.copy()
    flags[0] = int(Flag.MASKED)
    flags[1, 2] = int(Flag.MEDIAN_OUTLIER | Flag.REPLACED)
    quality = {
        "valid": 84.0, "mean_displacement": 3.0, "median_displacement": 2.5,
        "largest_displacement": 20.0, "first_window": 64.0, "quarter_ratio": 1.25,
        "median_peak_ratio": 3.0, "particle_diameter": 2.6, "seeding_density": 0.05,
        "peak_locking": math.nan,
    }  # fmt: skip
    return dataclasses.replace(made, coarse=made.coarse.replace(flags=flags), quality=quality)


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 255, (2, *SHAPE)).astype(np.uint8)
    return ImagePair(first, second)


def report_of(analysis, calibration=PX, **more):
    return collect(analysis, "a <1>.tif, b & c.tif", calibration, method(), shape=SHAPE, **more)


def test_quality_is_said_in_words(analysis):
    said = report_of(analysis)
    assert any("84 % of the coarse vectors are valid" in each for each in said.warnings)
    assert any("exceeds a quarter" in each for each in said.warnings)
    assert any("2.6 px wide" in each for each in said.good)
    assert any("0.050 particles" in each for each in said.good)
    assert not any("one-quarter" in each for each in said.good)
    values = {name: value for name, value, _ in said.figures_of_merit}
    assert values["Valid vectors"] == "84.0 %"
    assert values["Peak locking"] == "not known"


def test_flags_are_counted_outside_the_mask(analysis):
    rows = {name: (coarse, dense) for name, coarse, dense in flag_table(analysis)}
    height, width = analysis.coarse.shape
    free = (height - 1) * width
    assert rows["masked"] == (f"{100 / height:.2f} %", "0.00 %")
    assert rows["unlike its neighbours"][0] == f"{100 / free:.2f} %"
    assert rows["measured"] == (f"{100 * (free - 1) / free:.2f} %", "100.00 %")


def test_facts_are_in_the_units_of_the_window(analysis):
    in_px, scaled = (dict(report_of(analysis, each).facts) for each in (PX, SCALED))
    assert in_px["Pixel size"].startswith("not set")
    assert in_px["Median speed"].endswith(" px")
    assert scaled["Pixel size"] == "21 µm"
    assert scaled["Median speed"].endswith("m/s")
    px = float(in_px["Median speed"].split()[0])
    metres = float(scaled["Median speed"].split()[0])
    assert metres == pytest.approx(px * 2.1e-5 / 2e-4, rel=1e-3)
    assert scaled["Coarse field"] == "12 x 9 vectors, one every 8.000 px"
    assert dict(report_of(analysis, edited="two").facts)["Changed by hand"] == "two"


class _Reader(HTMLParser):
    """Every tag is closed, and nothing is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.sources += [known[key] for key in ("src", "href") if key in known]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_and_needs_no_other_file(analysis, pair):
    png = as_png(four_panels(analysis, SCALED, pair), dpi=60)
    page = as_html(report_of(analysis, SCALED), png)
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert len(reader.sources) == 1
    assert reader.sources[0].startswith("data:image/png;base64,")
    words = " ".join(reader.words)
    assert "a <1>.tif, b & c.tif" in words
    for part in ("median threshold", "SHA-256 of the input", "replaced from its neighbours",
                 "For the methods section", "Westerweel"):  # fmt: skip
        assert part in words


def test_both_kinds_are_written_whole_or_not_at_all(analysis, pair, tmp_path):
    said, drawing = report_of(analysis), four_panels(analysis, PX, pair)
    write(said, drawing, tmp_path / "Bericht ü.html")
    write(said, drawing, tmp_path / "r.pdf")
    write(said, None, tmp_path / "no figure.pdf")
    assert (tmp_path / "Bericht ü.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    data = (tmp_path / "r.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page ") >= 2
    assert len(data) > (tmp_path / "no figure.pdf").stat().st_size
    with pytest.raises(InputError, match=r"\.html or \.pdf"):
        write(said, drawing, tmp_path / "r.doc")
    with pytest.raises(PIVError, match="cannot write"):
        write(said, drawing, tmp_path / "none" / "r.html")
    assert {path.name for path in tmp_path.iterdir()} == {
        "Bericht ü.html", "r.pdf", "no figure.pdf",
    }  # fmt: skip


def test_a_result_without_a_vector_has_a_report_without_a_figure(analysis):
    nothing = analysis.dense.replace(
        u=np.full(SHAPE, np.nan, np.float32), v=np.full(SHAPE, np.nan, np.float32)
    )
    empty = dataclasses.replace(analysis, dense=nothing)
    assert four_panels(empty, PX, None) is None
    assert "Median speed" not in dict(report_of(empty).facts)
