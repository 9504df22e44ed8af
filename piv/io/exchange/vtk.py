"""VTK's image data (``.vti``) and collections of them (``.pvd``), for ParaView; written here.

What VTK draws has y up, so y and v are turned: a field in px lies at y = -row, below zero.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.io.exchange.series import MASKED, MEASURED, Fields, Hints, kinds_of, stacked, with_kinds
from piv.io.exchange.text import writing
from piv.types import Float, VectorField

_BLOCK = 1 << 20  # bytes that are compressed together
_TYPES = {
    "Float32": "<f4", "Float64": "<f8", "Int8": "<i1", "UInt8": "<u1", "Int16": "<i2",
    "UInt16": "<u2", "Int32": "<i4", "UInt32": "<u4", "Int64": "<i8", "UInt64": "<u8",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _TYPES.items()}
_EVEN = 1e-6  # how far from an even grid a coordinate may lie, parts of the spacing


def write(fields: Fields, path: Path) -> None:
    """Write one field (``.vti``), or a collection and a file for each field beside it (``.pvd``).

    Raises
    ------
    InputError
        If several fields are to go into a .vti, or the grid is not evenly spaced.
    """
    if path.suffix.lower() == ".vti":
        if len(fields) != 1:
            raise InputError(
                f"a .vti holds one field; give {path.with_suffix('.pvd').name} for more"
            )
        write_image(fields[0], path)
        return
    entries = []
    for number, field in enumerate(fields):
        name = f"{path.stem}_{fields.pairs[number]:05d}.vti"
        write_image(field, path.with_name(name))
        time = fields.pairs[number] if fields.time is None else fields.time[number]
        entries.append({"timestep": f"{time:.12g}", "part": "0", "file": name})
    root = ElementTree.Element("VTKFile", type="Collection", version="0.1")
    collection = ElementTree.SubElement(root, "Collection")
    for entry in entries:
        ElementTree.SubElement(collection, "DataSet", entry)
    _write_xml(root, path)


def write_image(field: VectorField, path: Path) -> None:
    """Write one field as image data with its points at the vectors.

    Raises
    ------
    InputError
        If the grid is not evenly spaced.
    """
    turned = _turned(field)
    height, width = field.shape
    extent = f"0 {width - 1} 0 {height - 1} 0 0"
    steps = [_spacing(turned.x, path), _spacing(turned.y, path)]
    root = ElementTree.Element(
        "VTKFile", type="ImageData", version="1.0", byte_order="LittleEndian",
        header_type="UInt64", compressor="vtkZLibDataCompressor",
    )  # fmt: skip
    image = ElementTree.SubElement(
        root, "ImageData", WholeExtent=extent,
        Origin=f"{turned.x[0]:.17g} {turned.y[0]:.17g} 0",
        Spacing=f"{steps[0]:.17g} {steps[1]:.17g} {max(map(abs, steps)):.17g}",
    )  # fmt: skip
    whole = ElementTree.SubElement(image, "FieldData")
    for name, text in (("units", field.units), ("y_axis", field.y_axis)):
        _add_text(whole, name, text)
    _add(whole, "dt", np.array([field.dt]))
    piece = ElementTree.SubElement(image, "Piece", Extent=extent)
    points = ElementTree.SubElement(piece, "PointData", Vectors="velocity", Scalars="kind")
    velocity = np.zeros((height, width, 3), np.float32)
    velocity[..., 0], velocity[..., 1] = turned.u, turned.v
    _add(points, "velocity", velocity)
    _add(points, "kind", kinds_of(turned))
    _add(points, "flags", turned.flags)
    for name in ("uncertainty_u", "uncertainty_v"):
        if (values := getattr(turned, name)) is not None:
            _add(points, name, np.asarray(values, np.float32))
    for name, values in turned.extra.items():
        _add(points, name, np.asarray(values, np.float32))
    _write_xml(root, path)


def read(path: Path, hints: Hints) -> VectorField:
    """Read a field, or the series that a collection names.

    Raises
    ------
    InputError
        If the file is no such file of this program's kind.
    """
    root = _parsed(path)
    if root.get("type") == "Collection":
        names = [entry.get("file", "") for entry in root.iter("DataSet")]
        if not names:
            raise InputError(f"{path} names no files")
        return stacked(
            [_read_image(_parsed(path.parent / n), path.parent / n, hints) for n in names]
        )
    return _read_image(root, path, hints)


def _read_image(root: ElementTree.Element, path: Path, hints: Hints) -> VectorField:
    image, piece = root.find("ImageData"), root.find("ImageData/Piece")
    if root.get("type") != "ImageData" or image is None or piece is None:
        raise InputError(f"{path} holds no image data of VTK (.vti)")
    compressed = root.get("compressor") == "vtkZLibDataCompressor"
    if (root.get("header_type"), root.get("byte_order")) != ("UInt64", "LittleEndian") or not (
        compressed
    ):
        raise InputError(f"{path} is coded otherwise than the .vti files of this program")
    try:
        _, right, _, top, *_ = (int(n) for n in image.get("WholeExtent", "").split())
        origin = [float(n) for n in image.get("Origin", "").split()]
        spacing = [float(n) for n in image.get("Spacing", "").split()]
        shape = (top + 1, right + 1)
        known = {each.get("Name", ""): _decoded(each) for each in image.findall("FieldData/*")}
        arrays = {each.get("Name", ""): _decoded(each) for each in piece.findall("PointData/*")}
        velocity = arrays.pop("velocity").reshape(*shape, 3)
        grids = {name: values.reshape(shape) for name, values in arrays.items()}
    except (ValueError, IndexError, KeyError, zlib.error, binascii.Error, struct.error):
        raise InputError(f"{path} is damaged, or has no vectors named velocity") from None
    units, y_axis, dt = hints.chosen(
        _text(known.get("units")),
        _text(known.get("y_axis")),
        _number(known.get("dt")),
    )
    u, v = velocity[..., 0], velocity[..., 1]
    kinds = np.where(np.isfinite(u + v), MEASURED, MASKED).astype(np.int8)
    vectors = with_kinds(grids.pop("kind", kinds), u, v)
    flags = grids.pop("flags", None)
    if flags is not None:
        vectors |= {"u": u.astype(np.float32), "v": v.astype(np.float32), "flags": flags}
    error: dict[str, Any] = {
        name: grids.pop(name, None) for name in ("uncertainty_u", "uncertainty_v")
    }
    along = [origin[n] + spacing[n] * np.arange(shape[1 - n]) for n in (0, 1)]
    field = VectorField(
        along[0], along[1], **vectors, **error, dt=dt, units=units, y_axis="up", extra=grids
    )
    return _flipped(field) if y_axis == "up" else _flipped(field, sign=-1)


def _turned(field: VectorField) -> VectorField:
    """With y pointing up and ascending from row to row."""
    if field.y_axis == "down":
        return _flipped(field, sign=-1).replace(y_axis="up")
    return field if field.y.size > 1 and field.y[1] > field.y[0] else _flipped(field)


def _flipped(field: VectorField, sign: int = 1) -> VectorField:
    """Rows in the opposite order; with ``sign`` -1 on an axis that points the other way."""

    def rows(values: Any) -> Any:
        return None if values is None else np.ascontiguousarray(values[..., ::-1, :])

    y_axis = field.y_axis if sign == 1 else "down" if field.y_axis == "up" else "up"
    return field.replace(
        y=sign * field.y[::-1],
        u=rows(field.u),
        v=sign * rows(field.v),
        flags=rows(field.flags),
        uncertainty_u=rows(field.uncertainty_u),
        uncertainty_v=rows(field.uncertainty_v),
        extra={name: rows(values) for name, values in field.extra.items()},
        y_axis=y_axis,
    )


def _spacing(axis: Float, path: Path) -> float:
    if axis.size < 2:
        return 1.0
    step = float(axis[-1] - axis[0]) / (axis.size - 1)
    if np.abs(axis - (axis[0] + step * np.arange(axis.size))).max() > _EVEN * abs(step):
        raise InputError(f"cannot write {path}: a .vti needs an evenly spaced grid")
    return step


def _add(parent: ElementTree.Element, name: str, values: npt.NDArray[Any]) -> None:
    kind = _NAMES[values.dtype.newbyteorder("<")]
    attributes = {"type": kind, "Name": name, "format": "binary"}
    if values.ndim == 3:
        attributes["NumberOfComponents"] = "3"
    if parent.tag == "FieldData":
        attributes["NumberOfTuples"] = str(values.size)
    element = ElementTree.SubElement(parent, "DataArray", attributes)
    element.text = _encoded(np.ascontiguousarray(values, _TYPES[kind]).tobytes())


def _add_text(parent: ElementTree.Element, name: str, text: str) -> None:
    """VTK keeps text as its bytes, ended by zero."""
    element = ElementTree.SubElement(
        parent, "Array", type="String", Name=name, NumberOfTuples="1", format="binary"
    )
    element.text = _encoded(text.encode() + b"\0")


def _encoded(data: bytes) -> str:
    """Base64 of the sizes, then of the compressed blocks."""
    blocks = [zlib.compress(data[n : n + _BLOCK], 1) for n in range(0, len(data), _BLOCK)]
    last = len(data) % _BLOCK
    head = struct.pack(f"<{3 + len(blocks)}Q", len(blocks), _BLOCK, last, *map(len, blocks))
    return (base64.b64encode(head) + base64.b64encode(b"".join(blocks))).decode("ascii")


def _decoded(element: ElementTree.Element) -> npt.NDArray[Any]:
    text = (element.text or "").strip()
    (count,) = struct.unpack("<Q", base64.b64decode(text[:12])[:8])
    size = 4 * -(-8 * (3 + count) // 3)  # characters of the sizes
    sizes = struct.unpack(f"<{3 + count}Q", base64.b64decode(text[:size]))[3:]
    packed = base64.b64decode(text[size:])
    data = b"".join(zlib.decompress(block) for block in _blocks(packed, sizes))
    kind = element.get("type", "")
    return np.frombuffer(data, "<u1" if kind == "String" else _TYPES[kind])


def _blocks(packed: bytes, sizes: tuple[int, ...]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield packed[start : start + size]
        start += size


def _text(values: npt.NDArray[Any] | None) -> str | None:
    return None if values is None else values.tobytes().rstrip(b"\0").decode()


def _number(values: npt.NDArray[Any] | None) -> float | None:
    return None if values is None else float(values[0])


def _parsed(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ElementTree.ParseError:
        raise InputError(f"{path} is not an XML file of VTK, or it is damaged") from None


def _write_xml(root: ElementTree.Element, path: Path) -> None:
    ElementTree.indent(root)
    with writing(path) as file:
        file.write('<?xml version="1.0"?>\n')
        file.write(ElementTree.tostring(root, encoding="unicode"))
        file.write("\n")
