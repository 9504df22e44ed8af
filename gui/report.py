"""The report of one pair: figures, quality in words, settings, provenance, flags.  No Qt.

One :class:`Report` of plain words and one figure becomes a self-contained HTML page or a PDF.
"""

from __future__ import annotations

import base64
import html
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.figures import calibrated
from gui.methods import Method, text
from gui.quantities import flag_words
from gui.state import CalibrationState
from gui.units import Units, length_text, number, time_text
from piv.io.files import replacing
from piv.settings import Settings, stages
from piv.types import Analysis, Flag, ImagePair, VectorField

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = tuple[str, str]
SUFFIXES = (".html", ".pdf")
_PAGE = (8.27, 11.69)  # in; A4
_LINE = 0.166  # in; of the text of a page
_COLUMNS = 96  # letters across a page


@dataclass(frozen=True)
class Report:
    """What a report says.

    Parameters
    ----------
    title : str
    made : str
        When and with what.
    facts : sequence of (name, value)
        Of the recording and the result.
    good : tuple of str
        Sentences on the quality that need no action.
    warnings : tuple of str
        Sentences on what endangers the result.
    figures_of_merit : sequence of (name, value, meaning)
    flags : sequence of (reason, coarse, dense)
        Shares of the vectors.
    settings : sequence of (stage, sequence of (name, value))
    provenance : sequence of (name, value)
    methods : str
        The paragraph for a paper, with references.
    """

    title: str
    made: str
    facts: Sequence[Row]
    good: tuple[str, ...]
    warnings: tuple[str, ...]
    figures_of_merit: Sequence[tuple[str, str, str]]
    flags: Sequence[tuple[str, str, str]]
    settings: Sequence[tuple[str, Sequence[Row]]]
    provenance: Sequence[Row]
    methods: str


def collect(
    analysis: Analysis,
    name: str,
    calibration: CalibrationState,
    method: Method,
    *,
    seconds: float = math.nan,
    shape: tuple[int, int] | None = None,
    edited: str = "",
) -> Report:
    """Everything that a report says of one result.

    Parameters
    ----------
    analysis : Analysis
        In px, with the user's edits.
    name : str
        Of the pair.
    calibration : CalibrationState
    method : Method
    seconds : float
        Computing time.
    shape : (int, int), optional
        (H, W) of the frames.
    edited : str
        What the user has changed in the result.
    """
    from piv.quality import warnings

    units = Units(calibration.pixel_size, calibration.dt, calibration.origin)
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    warned = tuple(_sentence(each) for each in warnings(_complete(analysis.quality)))
    return Report(
        title=name or "image pair",
        made=f"Written on {now} with {method.package}",
        facts=_facts(analysis, calibration, units, seconds, shape, edited),
        good=_in_words(analysis),
        warnings=warned,
        figures_of_merit=_merits(analysis.quality),
        flags=flag_table(analysis),
        settings=_settings(method.settings),
        provenance=_provenance(analysis.provenance),
        methods=text(method),
    )


def _complete(quality: Mapping[str, float]) -> dict[str, float]:
    names = ("valid", "quarter_ratio", "first_window", "particle_diameter", "seeding_density",
             "peak_locking")  # fmt: skip
    return {name: float(quality.get(name, math.nan)) for name in names}


def _facts(
    analysis: Analysis,
    calibration: CalibrationState,
    units: Units,
    seconds: float,
    shape: tuple[int, int] | None,
    edited: str,
) -> list[Row]:
    field = analysis.field
    rows: list[Row] = []
    if shape is not None:
        rows.append(("Frames", f"{shape[1]} x {shape[0]} px (width x height)"))
    known = calibration.pixel_size
    rows.append(("Time between the frames", time_text(calibration.dt)))
    rows.append(
        ("Pixel size", "not set: results are in px" if known is None else length_text(known))
    )
    for word, each in (("Coarse", analysis.coarse), ("Dense", analysis.dense)):
        if each is None:
            rows.append((f"{word} field", "none: the coarse stage alone was run"))
            continue
        height, width = each.shape
        spacing = abs(float(each.x[-1] - each.x[0])) / max(1, each.x.size - 1)
        rows.append(
            (f"{word} field", f"{width} x {height} vectors, one every {number(spacing)} px")
        )
    speed = field.speed[field.valid]
    if speed.size:
        middle, top = float(np.median(speed)), float(np.percentile(speed, 99.5))
        rows.append(("Median speed", units.format(middle, "velocity")))
        rows.append(("99.5 % of the vectors below", units.format(top, "velocity")))
    if field.uncertainty_u is not None and field.uncertainty_v is not None:
        both = np.hypot(field.uncertainty_u, field.uncertainty_v)[field.valid] / math.sqrt(2)
        if both.size:
            rows.append(
                (
                    "Median uncertainty of a component",
                    units.format(float(np.median(both)), "velocity"),
                )
            )
    if math.isfinite(seconds):
        rows.append(("Computing time", f"{seconds:.1f} s"))
    if edited:
        rows.append(("Changed by hand", edited))
    return rows


_MERITS = (
    ("valid", "Valid vectors", "{:.1f} %", "coarse vectors that were measured, not replaced"),
    ("mean_displacement", "Mean displacement", "{:.3f} px", ""),
    ("median_displacement", "Median displacement", "{:.3f} px", ""),
    ("largest_displacement", "Largest displacement", "{:.2f} px", ""),
    ("first_window", "First window", "{:.0f} px", "shorter side of the first pass's window"),
    (
        "quarter_ratio", "One-quarter rule", "{:.2f}",
        "largest displacement over a quarter of the first window: should be below 1",
    ),
    ("median_peak_ratio", "Median peak ratio", "{:.2f}", "above 2: clear correlation peaks"),
    ("particle_diameter", "Particle diameter", "{:.2f} px", "2 to 4 px suits the sub-pixel fit"),
    ("seeding_density", "Seeding density", "{:.4f} ppp", "particles a pixel; 0.02 to 0.1 is good"),
    (
        "peak_locking", "Peak locking", "{:.2f}",
        "0 = no preference for whole pixels; above 0.25 is doubtful",
    ),
)  # fmt: skip


def _merits(quality: Mapping[str, float]) -> list[tuple[str, str, str]]:
    rows = []
    for name, label, shown, meaning in _MERITS:
        value = float(quality.get(name, math.nan))
        rows.append((label, shown.format(value) if math.isfinite(value) else "not known", meaning))
    return rows


def _in_words(analysis: Analysis) -> tuple[str, ...]:
    """What is as it should be."""
    quality = analysis.quality
    said = []
    if (value := quality.get("valid", math.nan)) >= 90:
        said.append(f"{value:.1f} % of the coarse vectors were measured; the others were replaced.")
    if (value := quality.get("quarter_ratio", math.nan)) <= 1:
        said.append("The displacements keep to the one-quarter rule of the first window.")
    if 2 <= (value := quality.get("particle_diameter", math.nan)) <= 6:
        said.append(f"The particle images are {value:.1f} px wide, which suits the sub-pixel fit.")
    if (value := quality.get("seeding_density", math.nan)) >= 0.01:
        said.append(f"The seeding is sufficient ({value:.3f} particles a pixel).")
    if (value := quality.get("peak_locking", math.nan)) <= 0.25:
        said.append(f"There is no marked peak locking (index {value:.2f}).")
    return tuple(said)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def flag_table(analysis: Analysis) -> list[tuple[str, str, str]]:
    """(reason, share of the coarse, share of the dense vectors); only what occurs.

    Shares are of all vectors outside the mask, but for the mask itself.
    """
    counts = [_shares(each) for each in (analysis.coarse, analysis.dense)]
    rows = [("measured", *(_percent(count.get("measured")) for count in counts))]
    for flag in Flag:
        name = str(flag.name)
        if any(count.get(name, 0.0) for count in counts):
            word = flag_words(int(flag)) or [name.lower()]
            rows.append((word[0], *(_percent(count.get(name)) for count in counts)))
    return [(row[0], row[1], row[2]) for row in rows]


def _shares(field: VectorField | None) -> dict[str, float]:
    if field is None:
        return {}
    masked = (field.flags & int(Flag.MASKED)) != 0
    open_ = max(1, int((~masked).sum()))
    found = {"measured": float(field.valid.sum() / open_)}
    for flag in Flag:
        carried = (field.flags & int(flag)) != 0
        if flag is Flag.MASKED:
            found[str(flag.name)] = float(carried.mean())
        else:
            found[str(flag.name)] = float((carried & ~masked).sum() / open_)
    return found


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    if 0 < share < 5e-5:
        return "under 0.01 %"
    return f"{100 * share:.2f} %"


def _settings(settings: Settings) -> list[tuple[str, list[Row]]]:
    found = []
    for stage, kind in stages().items():
        part = getattr(settings, stage)
        rows = []
        for item in fields(kind):
            value, unit = getattr(part, item.name), item.metadata["unit"]
            rows.append((item.name.replace("_", " "), _value(value, unit)))
        found.append((stage, rows))
    return found


def _value(value: Any, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        if not value:
            return "all"
        parts = [
            " x ".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value
        ]
        return ", ".join(parts) + (f" {unit}" if unit else "")
    return f"{value:g} {unit}".strip() if isinstance(value, float) else f"{value} {unit}".strip()


def _provenance(known: Mapping[str, Any]) -> list[Row]:
    rows = []
    for key, label in (("package", "Software"), ("torch", "PyTorch"), ("device", "Computed on")):
        if known.get(key):
            rows.append((label, str(known[key])))
    weights = known.get("weights")
    if isinstance(weights, Mapping):
        rows.append(("Weights", str(weights.get("name"))))
        rows.append(("SHA-256 of the weights", str(weights.get("sha256"))))
    else:
        rows.append(("Weights", "none"))
    source = known.get("input")
    if isinstance(source, Mapping):
        rows.append(("Input", str(source.get("name") or "without a name")))
        rows.append(("SHA-256 of the input", str(source.get("sha256"))))
    return rows


# pages


def four_panels(
    analysis: Analysis, calibration: CalibrationState, pair: ImagePair | None
) -> Figure | None:
    """The figure of a report; None where the result has no vector."""
    from piv.plot import figure

    field = calibrated(analysis.field, calibration)
    if not np.isfinite(field.u).any():
        return None
    return figure(field, pair)


def write(report: Report, drawing: Figure | None, path: Path) -> None:
    """Write a report; the file appears under its name only when it is complete.

    Parameters
    ----------
    report : Report
    drawing : matplotlib.figure.Figure or None
    path : Path
        Ending in .html or .pdf.

    Raises
    ------
    InputError
        If the ending is another.
    PIVError
        If the file cannot be written.
    """
    from piv.errors import InputError

    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(
            f"a report's name must end in {' or '.join(SUFFIXES)}; {path.name} does not"
        )
    if kind == ".html":
        page = as_html(report, None if drawing is None else as_png(drawing))
        with replacing(path) as file:
            file.write(page.encode("utf-8"))
        return
    with replacing(path) as file:
        _write_pdf(report, drawing, file)


def as_png(drawing: Figure, dpi: int = 160) -> bytes:
    """The figure as bytes of a PNG."""
    from piv.plot import style

    with style():
        data = io.BytesIO()
        drawing.savefig(data, format="png", dpi=dpi)
    return data.getvalue()


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --paper: #ffffff; --soft: #5b6b7a;
  --line: #d9e0e6; --warn: #9a4a00; --warn-paper: #fff4e5; --good: #1f6b3a; --good-paper: #eaf6ee; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ee; --paper: #161c22; --soft: #9aa8b5;
  --line: #33404c; --warn: #ffb866; --warn-paper: #33240f; --good: #8fd6a6;
  --good-paper: #12291a; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem; }
p.made { color: var(--soft); margin: 0 0 1.2rem; }
figure { margin: 0; background: #fff; border: 1px solid var(--line); border-radius: 6px;
  padding: 8px; }
figure img { width: 100%; height: auto; display: block; }
figcaption { color: #5b6b7a; font-size: .85rem; padding: .3rem .4rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .28rem .6rem .28rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
ul { padding: .5rem .8rem .5rem 1.8rem; border-radius: 6px; margin: .6rem 0; }
ul.warn { background: var(--warn-paper); color: var(--warn); }
ul.good { background: var(--good-paper); color: var(--good); }
.columns { columns: 2 22rem; column-gap: 2rem; }
.stage { break-inside: avoid; margin-bottom: 1rem; }
pre { white-space: pre-wrap; font: inherit; padding: .8rem 1rem; border-radius: 6px;
  background: color-mix(in srgb, var(--line) 35%, transparent); }
"""


def as_html(report: Report, png: bytes | None) -> str:
    """A page that needs no other file.

    Parameters
    ----------
    report : Report
    png : bytes or None
        The figure.
    """
    parts = [f"<h1>{_e(report.title)}</h1>", f'<p class="made">{_e(report.made)}</p>']
    if png is not None:
        data = base64.b64encode(png).decode("ascii")
        parts.append(
            f'<figure><img alt="Vectors, speed, vorticity and uncertainty of {_e(report.title)}" '
            f'src="data:image/png;base64,{data}"><figcaption>Vectors over the first frame, speed, '
            "vorticity (counter-clockwise positive) and uncertainty.</figcaption></figure>"
        )
    parts.append("<h2>Quality</h2>")
    for kind, said in (("warn", report.warnings), ("good", report.good)):
        if said:
            items = "".join(f"<li>{_e(each)}</li>" for each in said)
            parts.append(f'<ul class="{kind}">{items}</ul>')
    parts.append(_table(("Figure", "Value", "Meaning"), report.figures_of_merit))
    parts.append("<h2>Recording and result</h2>")
    parts.append(_table((), report.facts))
    parts.append("<h2>Flags</h2>")
    parts.append(_table(("Vectors that are", "coarse field", "dense field"), report.flags))
    parts.append('<h2>Settings</h2><div class="columns">')
    for stage, rows in report.settings:
        parts.append(f'<div class="stage"><table><tr><th colspan="2">{_e(stage)}</th></tr>')
        parts += [f"<tr><td>{_e(a)}</td><td>{_e(b)}</td></tr>" for a, b in rows]
        parts.append("</table></div>")
    parts.append("</div><h2>Provenance</h2>")
    parts.append(_table((), report.provenance))
    parts.append(f"<h2>For the methods section</h2><pre>{_e(report.methods)}</pre>")
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(report.title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n"
        "</body></html>\n"
    )


def _e(words: str) -> str:
    return html.escape(words)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["<table>"]
    if heading:
        lines.append("<tr>" + "".join(f"<th>{_e(each)}</th>" for each in heading) + "</tr>")
    for first, second, *more in rows:
        cells = f'<td>{_e(first)}</td><td class="number">{_e(second)}</td>'
        if not heading:  # a value may be long
            cells = f"<td>{_e(first)}</td><td>{_e(second)}</td>"
        lines.append(f"<tr>{cells}{''.join(f'<td>{_e(each)}</td>' for each in more)}</tr>")
    return "\n".join([*lines, "</table>"])


def _write_pdf(report: Report, drawing: Figure | None, file: Any) -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import PdfPages

    from piv.plot.style import STYLE

    with rc_context(STYLE), PdfPages(file, metadata={"Title": report.title}) as pages:
        sheet = _Sheet(pages)
        sheet.heading(report.title, 14)
        sheet.line(report.made, colour="0.4")
        sheet.space()
        if drawing is not None:
            sheet.picture(drawing)
        sheet.heading("Quality")
        for said, colour in ((report.warnings, "#9a4a00"), (report.good, "#1f6b3a")):
            for each in said:
                sheet.line(f"• {each}", colour=colour)
        sheet.space()
        sheet.table(report.figures_of_merit, (0.0, 0.26, 0.40))
        sheet.heading("Recording and result")
        sheet.table(report.facts, (0.0, 0.40))
        sheet.heading("Flags")
        sheet.table(
            [("vectors that are", "coarse field", "dense field"), *report.flags], (0.0, 0.5, 0.7)
        )
        sheet.heading("Settings")
        for stage, rows in report.settings:
            sheet.line(stage, weight="bold", keep=len(rows))
            sheet.table(rows, (0.02, 0.40))
        sheet.heading("Provenance")
        sheet.table(report.provenance, (0.0, 0.30))
        sheet.heading("For the methods section")
        for paragraph in report.methods.split("\n"):
            sheet.line(paragraph)
        sheet.end()


class _Sheet:
    """Pages that are filled from above."""

    left, top, bottom = 0.9, 0.9, 0.8  # in

    def __init__(self, pages: Any) -> None:
        self._pages = pages
        self._drawing: Any = None
        self._number = 0
        self._y = 0.0
        self._turn()

    def _turn(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.end()
        self._drawing = Figure(figsize=_PAGE)
        FigureCanvasAgg(self._drawing)
        self._number += 1
        self._y = self.top
        self._text(f"{self._number}", _PAGE[0] / 2, _PAGE[1] - 0.45, colour="0.5")

    def end(self) -> None:
        """Put the page to the others."""
        if self._drawing is not None:
            self._pages.savefig(self._drawing)
            self._drawing = None

    def _text(self, words: str, x: float, y: float, **options: Any) -> None:
        colour = options.pop("colour", "black")
        self._drawing.text(
            x / _PAGE[0], 1 - y / _PAGE[1], words, color=colour, va="top", parse_math=False,
            **{"fontsize": 8.5, **options},
        )  # fmt: skip

    def _room(self, height: float) -> None:
        if self._y + height > _PAGE[1] - self.bottom:
            self._turn()

    def space(self) -> None:
        """Leave a gap."""
        self._y += 0.6 * _LINE

    def heading(self, words: str, size: float = 10.5) -> None:
        """A heading, with room for some lines below it."""
        self._room(6 * _LINE)
        self._y += 1.0 * _LINE if self._y > self.top else 0.0
        for each in textwrap.wrap(words, 70 if size > 12 else _COLUMNS):
            self._text(each, self.left, self._y, fontsize=size, fontweight="bold")
            self._y += 1.7 * _LINE * size / 10.5

    def line(
        self, words: str, colour: str = "black", weight: str = "normal", keep: int = 0
    ) -> None:
        """Text, in as many lines as it needs; ``keep`` lines after it stay on its page."""
        self._room((1 + keep) * _LINE)
        for each in textwrap.wrap(words, _COLUMNS) or [""]:
            self._room(_LINE)
            self._text(each, self.left, self._y, colour=colour, fontweight=weight)
            self._y += _LINE

    def table(self, rows: Sequence[Sequence[str]], places: Sequence[float]) -> None:
        """Columns that begin at these parts of the width."""
        width = _PAGE[0] - 2 * self.left
        ends = [*places[1:], 1.0]
        for row in rows:
            cells = []
            for words, place, end in zip(row, places, ends, strict=False):
                cells.append(
                    textwrap.wrap(words, max(8, int((end - place) * 0.86 * _COLUMNS))) or [""]
                )
            height = max(len(cell) for cell in cells)
            self._room(height * _LINE)
            for cell, place in zip(cells, places, strict=False):
                for n, each in enumerate(cell):
                    self._text(each, self.left + place * width, self._y + n * _LINE)
            self._y += height * _LINE
        self.space()

    def picture(self, drawing: Figure) -> None:
        """A figure as wide as the text, or as high as the room."""
        from matplotlib.image import imread

        pixels = imread(io.BytesIO(as_png(drawing, dpi=220)), format="png")
        width = _PAGE[0] - 2 * self.left
        height = width * pixels.shape[0] / pixels.shape[1]
        most = _PAGE[1] - self.bottom - self._y
        if height > most:
            width, height = width * most / height, most
        axes = self._drawing.add_axes(
            (
                self.left / _PAGE[0],
                1 - (self._y + height) / _PAGE[1],
                width / _PAGE[0],
                height / _PAGE[1],
            )
        )
        axes.imshow(pixels, interpolation="none")
        axes.set_axis_off()
        self._y += height + _LINE
