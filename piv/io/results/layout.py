"""What a result file holds: its skeleton, made at full size before anything is computed.

::

    /coarse, /dense    u, v, flags, uncertainty_u, ... (N, Ny, Nx), with x, y, pair as dimension
                       scales: valid netCDF-4; ``record`` (N,) holds as JSON what is known of this
                       pair alone; attributes: units, y_axis, dt, provenance
    /quality           figures of merit, (N,) each
    /status            (N,) 0 pending, 1 done, 2 failed;  /error (N,);  /seconds (N,)
    /pair              (N,) index of the pair in its source;  /time (N,), s, where that is known
    /name, /sha256     (N,) of the input
    /mask              (H, W) of the run, /background/a, b: what was subtracted, if there were any
    attributes         format, schema, provenance (JSON) and, where it can be continued, id, commits

A single analysis is a store of N = 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.journal import new_token
from piv.io.labelled import attributes, group_attributes, to_json, variables
from piv.settings import OutputSettings
from piv.types import SCHEMA_VERSION, Analysis, VectorField, size_text

PENDING, DONE, FAILED = 0, 1, 2
FORMAT = "ccfcn-piv results"
CHUNK = 256  # px; a region of a dense field is read without the rest
LEVEL = 1  # of zlib: higher ones gain under 2 % on fields and cost several times the time
_ROWS = 256  # pairs in a chunk of what is one number or one text a pair
_TEXT = h5py.string_dtype()


def chunk_shape(height: int, width: int) -> tuple[int, int]:
    """Vectors in a chunk of one variable of a field of this size."""
    return min(height, CHUNK), min(width, CHUNK)


def selected(analysis: Analysis, output: OutputSettings) -> dict[str, VectorField]:
    """Group -> the field that is stored there: of the dense one, what was asked for.

    Raises
    ------
    InputError
        If ``output.region`` leaves the dense field.
    """
    fields = {"coarse": analysis.coarse}
    if analysis.dense is not None:
        fields["dense"] = _thinned(analysis.dense, output)
    return fields


def create_layout(
    store: h5py.File,
    count: int,
    template: Analysis,
    output: OutputSettings,
    *,
    provenance: Mapping[str, Any],
    pairs: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    time: npt.ArrayLike | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
    background: Sequence[npt.NDArray[Any]] | None = None,
    growing: bool = False,
) -> None:
    """Make every data set for ``count`` pairs at full size.

    Parameters
    ----------
    store : h5py.File
        Empty and open for writing.
    count : int
    template : Analysis
        Gives grids, variables, units and quality keys, such as :func:`piv.pipeline.template`.
    output : OutputSettings
    provenance : mapping
        What holds for all pairs.
    pairs : int array, shape (N,), optional
        Indices of the pairs in their source; default 0, 1, ...
    names : sequence of str, optional
    time : float array, shape (N,), optional
        Of each pair, s.
    mask : bool array, shape (H, W), optional
    background : one or two arrays, shape (H, W), optional
        What was subtracted from the frames.
    growing : bool
        Whether the store can be continued, and pairs can be added.
    """
    if growing:  # first of all: the journal looks for it at the beginning of the file
        store.attrs["id"] = np.bytes_(new_token())
        store.attrs["commits"] = np.int64(0)
    store.attrs["format"] = FORMAT
    store.attrs["schema"] = SCHEMA_VERSION
    store.attrs["provenance"] = to_json(provenance)
    rows = _Rows(count, growing, np.arange(count) if pairs is None else np.asarray(pairs))
    axis = rows.axis(store)
    rows.add(store, axis, "status", np.uint8, "0 pending, 1 done, 2 failed")
    rows.add(store, axis, "error", _TEXT, "why a pair failed")
    rows.add(store, axis, "seconds", np.float64, "computing time of a pair, s")
    rows.add(store, axis, "name", _TEXT, "name of the input")
    rows.add(store, axis, "sha256", _TEXT, "hash of the input's grey levels and mask")
    if names is not None:
        store["name"][:] = list(names)
    if time is not None:
        moments = rows.add(store, axis, "time", np.float64, "time of the pair")
        moments.attrs["units"] = "s"
        moments[:] = time
    quality = store.create_group("quality")
    axis = rows.axis(quality)
    for name in template.quality:
        rows.add(quality, axis, name, np.float64, name.replace("_", " "))
    for name, field in selected(template, output).items():
        _create_group(store.create_group(name), rows, field, provenance)
    _add_images(store, mask, background)


def grown(store: h5py.File) -> Iterator[h5py.Dataset]:
    """Every data set that has an entry per pair."""
    for group in (store, *(item for item in store.values() if isinstance(item, h5py.Group))):
        for item in group.values():
            if isinstance(item, h5py.Dataset) and item.maxshape[:1] == (None,):
                yield item


class _Rows:
    """Makes the data sets along the pairs."""

    def __init__(self, count: int, growing: bool, pairs: npt.NDArray[Any]) -> None:
        self.count = count
        self.growing = growing
        self._pairs = pairs
        self._options: dict[str, Any] = {}
        if growing:
            self._options = {"maxshape": (None,), "chunks": (max(16, min(count, _ROWS)),)}

    def axis(self, group: h5py.Group) -> h5py.Dataset:
        axis = group.create_dataset("pair", data=self._pairs.astype(np.int32), **self._options)
        axis.make_scale("pair")
        axis.attrs["long_name"] = "index of the image pair in its source"
        return axis

    def add(
        self, group: h5py.Group, axis: h5py.Dataset, name: str, kind: Any, long_name: str
    ) -> h5py.Dataset:
        fill = {"fillvalue": np.nan} if kind is np.float64 else {}
        dataset = group.create_dataset(name, (self.count,), kind, **fill, **self._options)
        dataset.dims[0].attach_scale(axis)
        dataset.attrs["long_name"] = long_name
        return dataset


def _create_group(
    group: h5py.Group, rows: _Rows, field: VectorField, provenance: Mapping[str, Any]
) -> None:
    group.attrs["Conventions"] = "CF-1.11"
    group.attrs.update(group_attributes(field))
    group.attrs["provenance"] = to_json(provenance)
    axes = {"pair": rows.axis(group)}
    for name in ("y", "x"):
        axes[name] = group.create_dataset(name, data=np.asarray(getattr(field, name), np.float64))
        axes[name].make_scale(name)
        axes[name].attrs.update(attributes(name, field))
    height, width = field.shape[-2:]
    for name, values in variables(field).items():
        dataset = group.create_dataset(
            name,
            (rows.count, height, width),
            values.dtype.newbyteorder("<"),
            maxshape=(None if rows.growing else rows.count, height, width),
            chunks=(1, *chunk_shape(height, width)),
            shuffle=True,
            compression="gzip",
            compression_opts=LEVEL,
            fillvalue=np.nan if values.dtype.kind == "f" else 0,
        )
        for axis, label in enumerate(("pair", "y", "x")):
            dataset.dims[axis].attach_scale(axes[label])
        dataset.attrs.update(attributes(name, field))
    rows.add(group, axes["pair"], "record", _TEXT, "what is known of this pair alone, JSON")


def _add_images(
    store: h5py.File,
    mask: npt.NDArray[np.bool_] | None,
    background: Sequence[npt.NDArray[Any]] | None,
) -> None:
    """The mask and the background of the run, each with the hash of its content."""
    images: dict[str, tuple[npt.NDArray[Any], str]] = {}
    if mask is not None:
        images["mask"] = (mask.astype(np.uint8), "1 = not fluid")
    for name, image in zip(("a", "b"), background or (), strict=False):
        text = f"subtracted from frame {name}"
        images[f"background/{name}"] = (np.asarray(image), text)
    if not images:
        return
    shape = next(iter(images.values()))[0].shape
    scales = []
    for name, size in zip(("row", "column"), shape, strict=True):
        scale = store.create_dataset(name, data=np.arange(size, dtype=np.int32))
        scale.make_scale(name)
        scale.attrs["units"] = "px"
        scales.append(scale)
    for name, (image, long_name) in images.items():
        dataset = store.create_dataset(name, data=image, shuffle=True, compression="gzip")
        for axis, scale in enumerate(scales):
            dataset.dims[axis].attach_scale(scale)
        dataset.attrs["long_name"] = long_name
        dataset.attrs["sha256"] = image_digest(image)


def image_digest(image: npt.NDArray[Any]) -> str:
    """SHA-256 of an image's type, shape and grey levels."""
    digest = hashlib.sha256(f"{image.dtype.str}{image.shape}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _thinned(field: VectorField, output: OutputSettings) -> VectorField:
    """The region and every n-th vector of a field."""
    rows, columns = slice(None), slice(None)
    if output.region:
        left, top, width, height = output.region
        x, y = _pixels(field)
        inside = [
            start >= each[0] and start + size <= each[-1] + 1
            for each, start, size in ((x, left, width), (y, top, height))
        ]
        if not all(inside):
            raise InputError(
                f"output.region (left {left}, top {top}, {width} px wide, {height} px high) leaves "
                f"the dense field, which has columns {x[0]} to {x[-1]} and rows {y[0]} to {y[-1]} "
                f"({size_text(field.shape)})"
            )
        columns = slice(left - int(x[0]), left - int(x[0]) + width)
        rows = slice(top - int(y[0]), top - int(y[0]) + height)
    step = output.stride
    if step == 1 and not output.region:
        return field
    part = np.s_[..., rows, columns]

    def cut(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values[part][..., ::step, ::step]

    both = {
        name: None if (values := getattr(field, name)) is None else cut(values)
        for name in ("uncertainty_u", "uncertainty_v")
    }
    return field.replace(
        x=field.x[columns][::step],
        y=field.y[rows][::step],
        u=cut(field.u),
        v=cut(field.v),
        flags=cut(field.flags),
        extra={name: cut(values) for name, values in field.extra.items()},
        **both,
    )


def _pixels(field: VectorField) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Columns and rows of a dense field in the whole frame, also after calibration."""
    x, y = field.x, field.y
    if field.units != "px":
        record = field.attrs["calibration"]
        size, (x0, y0) = record["pixel_size"], record["origin"]
        x, y = x / size + x0, y0 - y / size
    return np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
