"""Writing files: figures, films, data for other programs, reports; in the process that draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gui.compute.server import task
from gui.exports import DataOrder, FilmOrder, ReportOrder, Results, outputs_of
from gui.figures import FigureOrder, calibrated, draw
from gui.report import collect, four_panels, write
from gui.state import CalibrationState
from piv.errors import InputError
from piv.io.sources import SourceSpec
from piv.types import Bool, ImagePair, VectorField

__all__ = ["data", "figure", "film", "report"]


@task
def figure(
    context: Any,  # noqa: ARG001
    order: FigureOrder,
    path: Path,
    spec: SourceSpec | None = None,
    index: int = 0,
    mask: Bool | None = None,
) -> str:
    """Draw what the canvas shows, and write it.

    Parameters
    ----------
    context : Context
    order : FigureOrder
    path : Path
        Ending in .png, .pdf or .svg.
    spec, index, mask
        The pair, for its first frame.

    Returns
    -------
    str
        What was written.

    Raises
    ------
    PIVError
        If it cannot be drawn or written.
    """
    from piv.plot import save_figure

    drawing = draw(order, _pair(spec, index, mask) if order.image else None)
    save_figure(drawing, path)
    width, height = drawing.get_size_inches()
    return f"{path.name}: figure of {width:.1f} x {height:.1f} in"


@task
def film(context: Any, order: FilmOrder, path: Path) -> str:
    """Draw all results as a film with one scale of colours and arrows.

    Raises
    ------
    PIVError
        If there are none, or it cannot be written.
    """
    from piv.plot import common_scales, save_animation

    fields = _Fields(order.results, "field", order.calibration)
    limits = None
    if order.colour_range is not None:
        limits = order.colour_range
    context.progress(0, len(fields), "finding the scales")
    scales = common_scales(fields, order.quantity, range=limits)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        context.progress(done, len(fields), f"frame {done} of {len(fields)}")

    save_animation(
        fields, path, scales, titles=[f"pair {pair}" for pair in fields.pairs],
        frames_per_second=order.frames_per_second, progress=step,
    )  # fmt: skip
    return f"{path.name}: film of {len(fields)} frames"


@task
def data(context: Any, order: DataOrder, path: Path) -> str:
    """Write fields for other programs.

    Raises
    ------
    PIVError
        If the format cannot hold them, or they cannot be written.
    """
    from piv.io.exchange.registry import named
    from piv.io.exchange.series import Fields

    fields = _Fields(order.results, order.group, order.calibration, order.stride)
    wanted = named(order.format)
    paths = outputs_of(order, path, fields.pairs)

    def step(number: int) -> None:
        context.progress(number, len(fields), f"field {number} of {len(fields)}")

    fields.told = step
    if wanted.series:
        wanted.write(Fields(fields, fields.pairs, fields.time, order.source), paths[0])
    else:
        for number, place in enumerate(paths):
            one = Fields([fields[number]], [fields.pairs[number]], None, order.source)
            wanted.write(one, place)
    more = f" ... {paths[-1].name}" if len(paths) > 1 else ""
    return f"{paths[0].name}{more}: {len(fields)} field(s), {wanted.name}"


@task
def report(
    context: Any,
    order: ReportOrder,
    path: Path,
    spec: SourceSpec | None = None,
    index: int = 0,
    mask: Bool | None = None,
) -> str:
    """Write the report of a pair as HTML or PDF.

    Raises
    ------
    PIVError
        If it cannot be written.
    """
    context.progress(0, 2, "drawing")
    pair = _pair(spec, index, mask) if spec is not None else None
    shape = pair.shape if pair is not None else None
    said = collect(
        order.analysis, order.name, order.calibration, order.method, seconds=order.seconds,
        shape=shape, edited=order.edited,
    )  # fmt: skip
    drawing = four_panels(order.analysis, order.calibration, pair)
    context.progress(1, 2, "writing")
    write(said, drawing, path)
    return f"{path.name}: report of {order.name or 'the pair'}"


def _pair(spec: SourceSpec | None, index: int, mask: Bool | None) -> ImagePair:
    if spec is None:
        raise InputError("the images are not open: open them, or draw without the first frame")
    with spec.open() as source:
        pair = source[index]
    masks = [each for each in (pair.mask, mask) if each is not None]
    joined = np.logical_or.reduce(masks) if masks else None
    return ImagePair(pair.first, pair.second, pair.dt, joined, pair.name)


class _Fields(Sequence[VectorField]):
    """Fields of several results in the units of the window, read when they are used."""

    def __init__(
        self, results: Results, group: str, calibration: CalibrationState, stride: int = 1
    ) -> None:
        self._results, self._group, self._stride = results, group, stride
        self._calibration = calibration
        self.told: Callable[[int], None] = lambda _number: None
        self._last: tuple[int, VectorField] | None = None
        self.time: Any = None
        if results.path is not None:
            from piv.io.store import open_results

            self._store = open_results(results.path)
            wanted = set(results.indices) if results.indices is not None else None
            self._positions = [
                position for position in self._store.done if wanted is None or position in wanted
            ]
            self.pairs = [int(self._store.pairs[position]) for position in self._positions]
            if self._store.time is not None:
                self.time = self._store.time[self._positions]
        else:
            self.pairs = sorted(results.analyses)
        if not self.pairs:
            raise InputError("there is no result to write yet: analyse the pair, or run the series")

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: int) -> VectorField:  # type: ignore[override]  # no slices
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        from piv.io.exchange.series import thinned

        field = thinned(calibrated(self._read(number), self._calibration), self._stride)
        self._last = (number, field)
        self.told(number + 1)
        return field

    def _read(self, number: int) -> VectorField:
        results = self._results
        pair = self.pairs[number]
        if pair in results.analyses:  # what the user has changed goes before the file
            analysis = results.analyses[pair]
            if self._group == "coarse":
                return analysis.coarse
            if self._group == "dense" and analysis.dense is None:
                raise InputError("this result has no dense field: choose the coarse one")
            return analysis.field
        group = None if self._group == "field" else self._group
        if group is not None and group not in self._store.groups:
            raise InputError(f"{results.path} has no {group} field: choose the other one")
        return self._store.field(self._positions[number], group)
