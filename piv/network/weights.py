"""Weights and their record: find them, check them, rebuild the network, never substitute.

A weights file is a safetensors file whose metadata holds the record (JSON): network config,
training recipe, data source, seeds, code version, stages, curve, metrics, calibration factors.
The catalogue (``piv/weights/catalogue.toml``) maps dated names to files and their SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from piv.errors import PIVError, WeightsError
from piv.io.files import replacing
from piv.network.catalogue import (
    catalogue,
    folder,
    known,
    trained_steps,
    unknown,
    weights_path,
)
from piv.network.ccfcn import CCFCN
from piv.network.config import CCFCNConfig

REFERENCE_SCALE = 0.05  # px, where the factors of the uncertainty hold as they are
FORMAT = "ccfcn-piv-weights-1"

__all__ = [
    "FORMAT",
    "Model",
    "catalogue",
    "config_of",
    "load_model",
    "plain_config",
    "read_weights",
    "rebuild",
    "save_weights",
    "weights_path",
]


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """A network that is ready to refine, with where it comes from.

    Parameters
    ----------
    name : str
        Name in the catalogue, in the record, or of the file.
    sha256 : str
        Hash of the weights file.
    record : mapping
        What the weights were made with.
    network : CCFCN
        In evaluation mode, without gradients.
    interval_68, interval_95 : float
        Half-widths of the 68.3 % and the 95 % interval of a component, as multiples of the
        network's scale b = ``exp(log_scale)``, calibrated on held-out pairs, where that scale is
        0.05 px.
    power : float
        Elsewhere they are multiples of b (b / 0.05 px)^power, calibrated likewise: what the best
        images state may be too large by another factor than what the worst do.
    curve : tuple of (float, float)
        More than a power can say: pairs of ln b and of the logarithm of a further factor there, by
        ln b; straight lines between them, and constant beyond the first and last.  Empty = none.
    """

    name: str
    sha256: str
    record: Mapping[str, Any]
    network: CCFCN
    interval_68: float
    interval_95: float
    power: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def steps(self) -> int:
        """Refinement steps that the weights were trained for."""
        return trained_steps(self.record)

    def half_width(self, log_scale: Tensor) -> Tensor:
        """Half-width of the 68.3 % interval, px, of a ``log_scale`` of the network."""
        factor = self.interval_68 * REFERENCE_SCALE**-self.power
        exponent = log_scale * (1.0 + self.power)
        if self.curve:
            exponent = exponent + curve_at(self.curve, log_scale)
        return factor * torch.exp(exponent)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as plain tensors and records."""
        tensors = {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}
        record = dict(self.record)
        return _restored, (
            self.name, self.sha256, record, tensors,
            self.interval_68, self.interval_95, self.power, self.curve,
        )  # fmt: skip


def curve_at(curve: Sequence[tuple[float, float]], log_scale: Tensor) -> Tensor:
    """The curve of :class:`Model` at every ``log_scale``, looked up in steps of 0.01 of ln b."""
    if not curve:
        return torch.zeros_like(log_scale)
    lowest, highest = curve[0][0], curve[-1][0]
    # a table: there are millions of pixels, and the factor changes slowly
    number = int((highest - lowest) * 100) + 2
    places, values = zip(*curve, strict=True)
    table = np.interp(np.linspace(lowest, highest, number), places, values)
    step = (number - 1) / (highest - lowest)
    index = ((log_scale - lowest) * step).round_().clamp_(0, number - 1).to(torch.int32)
    return torch.from_numpy(table.astype(np.float32)).to(log_scale.device)[index]


def load_model(name: str | Path | Model | None = "default", device: str = "cpu") -> Model | None:
    """Weights by name, by file, or none.

    Parameters
    ----------
    name : str, Path, Model or None
        A name of the catalogue, ``"default"``, a ``.safetensors`` file, a loaded model, or None
        or ``"none"`` for the coarse stage alone.
    device : str
        Where the network shall compute, such as ``"cpu"``.

    Returns
    -------
    model : Model or None

    Raises
    ------
    WeightsError
        If the name is unknown, or the file is missing, damaged or not of this project.
    """
    if name is None or isinstance(name, Model):
        return name
    if str(name).lower() == "none":
        return None
    entries, default = known()
    if not isinstance(name, str | Path) or name == "":
        raise WeightsError(f"weights are named by their name or file, not {name!r}")
    word = str(name)
    if word == "default":
        if default is None:
            raise WeightsError(
                "this installation has no default weights: name a weights file, or 'none'"
            )
        word = default
    if word in entries:
        return _from_catalogue(word, device)
    path = Path(name)
    if path.suffix != ".safetensors" and not path.exists():
        raise WeightsError(unknown(word, entries))
    try:
        status = path.stat()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror}") from None
    return _from_file(path.resolve(), device, status.st_mtime_ns, status.st_size)


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, record and SHA-256 of a weights file, nothing rebuilt yet.

    Raises
    ------
    WeightsError
        If the file cannot be read, is damaged, or is not a weights file of this project.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror}") from None
    return _parse(content, str(path))


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> str:
    """Write a weights file whole or not at all.

    Parameters
    ----------
    path : str or Path
    tensors : mapping of str to tensor
        The network's ``state_dict``.
    record : mapping
        Must hold ``network`` (fields of CCFCNConfig) and ``calibration`` (``interval_68`` and
        ``interval_95``, maybe ``power``; see :class:`Model`).

    Returns
    -------
    sha256 : str

    Raises
    ------
    PIVError
        If the file cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"format": FORMAT, "record": json.dumps(record, allow_nan=False)}
    metadata["sha256"] = _digest(safetensors.torch.save(plain, metadata), metadata)
    content = safetensors.torch.save(plain, metadata)
    with replacing(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def config_of(record: Mapping[str, Any], where: str) -> CCFCNConfig:
    """The network's config in a record.

    Raises
    ------
    WeightsError
        If it does not describe a network of this version.
    """
    try:
        return CCFCNConfig.from_dict(record["network"])
    except (KeyError, TypeError, ValueError, AttributeError, PIVError) as error:
        raise WeightsError(
            f"{where}: its network is not one that this version can build ({_first_line(error)})"
        ) from None


def rebuild(tensors: Mapping[str, Tensor], record: Mapping[str, Any], where: str) -> CCFCN:
    """The network of a record with these weights, strictly.

    Raises
    ------
    WeightsError
        If tensors are missing, left over, of another shape or type, or not finite.
    """
    network = CCFCN(config_of(record, where))
    expected = network.state_dict()
    if missing := sorted(set(expected) - set(tensors)):
        raise WeightsError(f"{where}: {len(missing)} tensors are missing, such as {missing[0]}")
    if foreign := sorted(set(tensors) - set(expected)):
        raise WeightsError(f"{where}: {len(foreign)} tensors are foreign, such as {foreign[0]}")
    for name, tensor in tensors.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            raise WeightsError(
                f"{where}: {name} is {tensor.dtype} {tuple(tensor.shape)}, but the network needs "
                f"{wanted.dtype} {tuple(wanted.shape)}"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{where}: {name} holds NaN or infinity")
    network.load_state_dict(dict(tensors), strict=True)
    return network


@lru_cache(maxsize=4)
def _from_catalogue(name: str, device: str) -> Model:
    entry = known()[0][name]
    where = f"the weights {name}"
    try:
        content = (folder() / entry["file"]).read_bytes()
    except OSError as error:
        raise WeightsError(
            f"cannot read {where}: {error.strerror}; reinstall the package"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        raise WeightsError(
            f"{where} are damaged: their SHA-256 is {found[:12]}..., but the catalogue says "
            f"{entry['sha256'][:12]}...; reinstall the package"
        )
    return _model(name, content, where, device)


@lru_cache(maxsize=4)
def _from_file(path: Path, device: str, changed: int, size: int) -> Model:  # noqa: ARG001
    try:  # the time of change and the size are there for the cache
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror}") from None
    return _model(None, content, str(path), device)


def _model(name: str | None, content: bytes, where: str, device: str) -> Model:
    tensors, record, sha256 = _parse(content, where)
    # a file may be called anything; what it was trained as says more
    name = name or str(record.get("name") or Path(where).stem)
    network = rebuild(tensors, record, where).eval().requires_grad_(False)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        network = network.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise WeightsError(f"cannot compute on {device}: {_first_line(error)}") from None
    factors = record.get("calibration")
    intervals = []
    for key in ("interval_68", "interval_95"):
        value = factors.get(key) if isinstance(factors, dict) else None
        if not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
            raise WeightsError(f"{where}: its record has no positive calibration.{key}")
        intervals.append(float(value))
    power = factors.get("power", 0.0) if isinstance(factors, dict) else 0.0
    if not isinstance(power, (int, float)) or not abs(power) < 1:
        raise WeightsError(f"{where}: calibration.power in its record must lie within -1..1")
    curve = _curve(factors.get("curve", []) if isinstance(factors, dict) else [], where)
    narrow, wide = intervals
    return Model(name, sha256, MappingProxyType(record), network, narrow, wide, float(power), curve)


def _curve(values: Any, where: str) -> tuple[tuple[float, float], ...]:
    """``calibration.curve`` of a record, checked."""
    if isinstance(values, list) and not values:
        return ()
    try:
        knots = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        knots = np.empty(0)
    if not (
        knots.ndim == 2
        and knots.shape[1] == 2
        and len(knots) > 1
        and np.isfinite(knots).all()
        and (np.diff(knots[:, 0]) > 0).all()
    ):
        raise WeightsError(
            f"{where}: calibration.curve in its record must be pairs of numbers, the first rising"
        )
    places, heights = knots.T.tolist()
    return tuple(zip(places, heights, strict=True))


def _restored(
    name: str,
    sha256: str,
    record: dict[str, Any],
    tensors: dict[str, Tensor],
    *intervals: Any,
) -> Model:
    """A model that has come from another process; it computes on the processor."""
    network = rebuild(tensors, record, name).eval().requires_grad_(False)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Model(name, sha256, MappingProxyType(record), network, *intervals)


def _parse(content: bytes, where: str) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    try:
        tensors = safetensors.torch.load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{where} is damaged or not a safetensors file ({_first_line(error)})"
        ) from None
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{where} holds no weights of this project (no {FORMAT} record)")
    if metadata.get("sha256") != _digest(content, metadata):
        raise WeightsError(f"{where} is damaged: its content has another hash than it says")
    try:
        record = json.loads(metadata["record"])
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{where}: its record is damaged ({_first_line(error)})") from None
    if not isinstance(record, dict):
        raise WeightsError(f"{where}: its record is damaged (not a table)")
    return tensors, record, hashlib.sha256(content).hexdigest()


def _digest(content: bytes, metadata: Mapping[str, str]) -> str:
    """SHA-256 of the record and of the tensors' bytes, which follow the header."""
    length = int.from_bytes(content[:8], "little")
    digest = hashlib.sha256(metadata.get("record", "").encode())
    digest.update(memoryview(content)[8 + length :])
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def plain_config(of: CCFCN | CCFCNConfig) -> dict[str, Any]:
    """The config, or that of a network, as JSON-able values."""
    config = of if isinstance(of, CCFCNConfig) else of.config
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return plain
