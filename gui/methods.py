"""The settings of an analysis as a paragraph for a paper's methods section.  No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from gui.state import CalibrationState
from gui.units import length_text, time_text
from piv.errors import WeightsError
from piv.network.catalogue import known, steps_of, weights_hash
from piv.settings import Settings, from_dict

PACKAGE = "ccfcn-piv"
REFERENCES = (
    "Gao, Q., Lin, H., Tu, H., Zhu, H., Wei, R., Zhang, G. & Shao, X. 2021 A robust single-pixel "
    "particle image velocimetry based on fully convolutional networks with cross-correlation "
    "embedded. Physics of Fluids 33 (12), 127125. https://doi.org/10.1063/5.0077146",
    "Westerweel, J. & Scarano, F. 2005 Universal outlier detection for PIV data. Experiments in "
    "Fluids 39, 1096-1100. https://doi.org/10.1007/s00348-005-0016-6",
)
_DENSE, _MEDIAN = REFERENCES


@dataclass(frozen=True)
class Method:
    """What the paragraph is written from.

    Parameters
    ----------
    settings : Settings
    weights : str or None
        Name or file of the weights; None = coarse stage only.
    sha256 : str or None
        Of the weights.
    package : str
        Name and version of the software.
    calibration : CalibrationState
    timed : bool
        Whether dt is known.
    pairs : int
        How many were analysed; 0 = not said.
    shape : (int, int) or None
        (H, W) of the frames, px.
    masked : bool
    """

    settings: Settings
    weights: str | None
    sha256: str | None
    package: str
    calibration: CalibrationState
    timed: bool = False
    pairs: int = 0
    shape: tuple[int, int] | None = None
    masked: bool = False


def method_of(
    provenance: Mapping[str, Any] | None,
    settings: Settings,
    model: str,
    calibration: CalibrationState,
    **known_too: Any,
) -> Method:
    """What a result was made with; without one, what the next result will be made with.

    Parameters
    ----------
    provenance : mapping or None
        Of the result.
    settings, model
        Of the session.
    calibration : CalibrationState
    **known_too
        Further parameters of :class:`Method`.
    """
    package = f"{PACKAGE} {version(PACKAGE)}"
    if provenance and "settings" in provenance:
        weights = provenance.get("weights") or {}
        return Method(
            from_dict(provenance["settings"]),
            weights.get("name"),
            weights.get("sha256"),
            str(provenance.get("package", package)),
            calibration,
            **known_too,
        )
    if model.lower() == "none":
        return Method(settings, None, None, package, calibration, **known_too)
    name = known()[1] if model == "default" else model
    try:
        sha256 = weights_hash(model)
    except WeightsError:  # a file that is not there any more
        sha256 = None
    return Method(settings, name, sha256, package, calibration, **known_too)


def paragraph(method: Method) -> str:
    """One paragraph: software, windows, overlap, validation, network, calibration.

    Parameters
    ----------
    method : Method
    """
    sentences = [_images(method), _coarse(method), _validation(method), _dense(method)]
    sentences += [_scale(method), _uncertainty(method)]
    return " ".join(sentence for sentence in sentences if sentence)


def text(method: Method) -> str:
    """The paragraph with its references."""
    cited = [_MEDIAN] if method.weights is None else list(REFERENCES)
    return "\n".join([paragraph(method), "", "References", *cited]) + "\n"


def _images(method: Method) -> str:
    _, _, number = method.package.partition(" ")
    size = ""
    if method.shape is not None:
        height, width = method.shape
        size = f" of {width} x {height} pixels"
    what = {0: "The image pairs", 1: "One image pair"}.get(
        method.pairs, f"The {method.pairs} image pairs"
    )
    verb = "was" if method.pairs == 1 else "were"
    words = (
        f"{what}{size} {verb} analysed with the open-source software {PACKAGE} (version {number})."
    )
    settings = method.settings.preprocess
    if settings.region:
        left, top, width, height = settings.region
        words += (
            f" The analysis was restricted to the region of {width} x {height} pixels whose upper "
            f"left corner is pixel ({left}, {top})."
        )
    if settings.contrast == "local":
        words += (
            " The local contrast of the images was normalised with a Gaussian of "
            f"{settings.contrast_radius:g} pixels standard deviation."
        )
    if method.masked:
        words += " Regions without fluid were masked."
    return words


def _coarse(method: Method) -> str:
    settings = method.settings.correlate.resolved(followed=method.weights is not None)
    sizes = [f"{width} x {height}" for height, width in settings.window_sizes]
    passes = "a single pass" if len(sizes) == 1 else f"{_count(len(sizes))} passes"
    windows = f"of {_listed(sizes)} pixels" if len(set(sizes)) > 1 else f"of {sizes[0]} pixels"
    words = (
        f"Displacements were determined by FFT-based cross-correlation in {passes} with "
        f"interrogation windows {windows} and {100 * settings.overlap:g} % overlap; between the "
        "passes both images were deformed symmetrically, each by half of the displacement, with "
        f"B-splines (of {_ordinal(settings.spline)} degree in the last pass)"
    )
    if settings.repeats > 1:
        words += (
            f", and the last window size was iterated up to {_times(settings.repeats)} until the "
            f"rms change fell below {settings.convergence:g} pixels"
        )
    words += "."
    if settings.grow:
        words += (
            " Where the displacement called for it, the first window was enlarged to at most "
            f"{settings.largest_window} pixels."
        )
    return words


def _validation(method: Method) -> str:
    settings = method.settings.validate
    words = (
        "Vectors were rejected by the normalised median test (Westerweel & Scarano 2005; threshold "
        f"{settings.median_threshold:g}, noise level {settings.median_noise:g} pixels), for a ratio"
        f" of the two highest correlation peaks below {settings.peak_ratio:g}, and for a "
        f"normalised peak height below {settings.peak_height:g}"
    )
    if settings.largest > 0:
        words += f", and for displacements above {settings.largest:g} pixels"
    return f"{words}; rejected vectors were replaced from their neighbours and flagged."


def _dense(method: Method) -> str:
    if method.weights is None:
        return ""
    settings = method.settings.refine
    hashed = f", SHA-256 {method.sha256[:12]}" if method.sha256 else ""
    number = settings.steps or steps_of(method.weights)
    steps = "one step" if number == 1 else f"{_count(number)} steps"
    words = (
        "This field was refined to one vector per pixel by a fully convolutional network with "
        f"embedded cross-correlation, after the method of Gao et al. (2021), in {steps} (weights "
        f"{method.weights}{hashed})"
    )
    if settings.views > 1:
        words += f", averaged over {settings.views} mirrored, rotated and time-reversed views"
    return f"{words}."


def _scale(method: Method) -> str:
    known_scale = method.calibration
    if known_scale.pixel_size is None:
        if method.timed:
            return f"The time between the frames of a pair was {time_text(known_scale.dt)}."
        return ""
    return (
        f"With a pixel size of {length_text(known_scale.pixel_size)} in the object plane and a "
        f"time of {time_text(known_scale.dt)} between the frames, displacements were converted to "
        "velocities."
    )


def _uncertainty(method: Method) -> str:
    if method.weights is None:
        return ""
    return (
        "The uncertainties are those that the software states for every vector (half-width of the "
        "68.3 % interval of each component)."
    )


_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def _count(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{_count(number)} times")


def _ordinal(number: int) -> str:
    return {3: "third", 5: "fifth"}.get(number, f"{number}th")


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
