"""The curve of a training run, as a table and as a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from piv.io.files import replacing

_COLUMNS = ("step", "minutes", "learning_rate", "loss", "endpoint_error")


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``curve.csv`` and, once there is something to draw, ``curve.png``.

    Parameters
    ----------
    folder : Path
    rows : sequence of mappings
        With ``step``, ``minutes``, ``learning_rate``, ``loss``, ``endpoint_error`` (px) and now
        and then ``validation``, a mapping of class to mean end-point error in px.

    Raises
    ------
    PIVError
        If the folder cannot be written.
    """
    contents = {"curve.csv": table(rows).encode("utf-8")}
    if len(rows) > 1:
        contents["curve.png"] = _figure(rows)
    for name, content in contents.items():
        with replacing(folder / name) as file:
            file.write(content)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Comma-separated text, one column per validation class; empty = not measured then."""
    kinds = _kinds(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *(f"validation {kind}" for kind in kinds)])
    for row in rows:
        validation = row.get("validation") or {}
        values = [row.get(name) for name in _COLUMNS] + [validation.get(kind) for kind in kinds]
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
    return text.getvalue()


def _kinds(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(kind for row in rows for kind in row.get("validation") or {}))


def _figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    drawn = [row for row in rows if row.get("endpoint_error")]
    axes.plot(
        [row["step"] for row in drawn],
        [row["endpoint_error"] for row in drawn],
        color="0.6", linewidth=1, label="training",
    )  # fmt: skip
    for kind in _kinds(rows):
        points = [
            (row["step"], row["validation"][kind])
            for row in rows
            if kind in (row.get("validation") or {})
        ]
        axes.plot(*zip(*points, strict=True), marker=".", linewidth=1.2, label=kind)
    axes.set(xlabel="step", ylabel="mean end-point error (px)", yscale="log")
    axes.grid(visible=True, which="both", color="0.92")
    axes.legend(fontsize="small", ncols=2)
    image = io.BytesIO()
    FigureCanvasAgg(figure).print_png(image)  # type: ignore[no-untyped-call]
    return image.getvalue()
