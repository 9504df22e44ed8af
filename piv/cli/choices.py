"""Options that several commands share, and what they add up to."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from piv import settings as stages
from piv.cli import units
from piv.errors import InputError
from piv.presets import PRESETS
from piv.settings import Settings


def add_settings(parser: argparse.ArgumentParser, *, model: bool = True) -> None:
    """Add ``--preset``, ``--settings``, ``--set`` and, if wanted, ``--model``."""
    group = parser.add_argument_group("settings")
    names = "; ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items())
    group.add_argument(
        "--preset", choices=list(PRESETS), default="standard", metavar="NAME",
        help=f"where to start from (default: standard). {names}",
    )  # fmt: skip
    group.add_argument(
        "--settings", type=Path, metavar="FILE.toml",
        help="settings that differ from the preset; `piv settings` prints them all",
    )  # fmt: skip
    group.add_argument(
        "--set", action="append", default=[], metavar="STAGE.NAME=VALUE", dest="assignments",
        help="change one setting, such as correlate.windows=[64,32,16]; may be repeated",
    )  # fmt: skip
    if model:
        group.add_argument(
            "--model", metavar="NAME|FILE|none",
            help="weights by name or file, or none (default: the preset's)",
        )  # fmt: skip


def add_series(scene: argparse._ArgumentGroup) -> None:
    """Add what says which frames of a source are pairs: ``--frames`` and ``--pairing``."""
    scene.add_argument(
        "--frames", metavar="PATH", help="data set inside the HDF5 file, or two: PATH_A,PATH_B"
    )
    scene.add_argument(
        "--pairing", metavar="HOW",
        help="which frames belong together: ab, 1-2,3-4, 1-2,2-3 or jump:K (default: found)",
    )  # fmt: skip


def add_pairs(group: argparse._ArgumentGroup) -> None:
    """Add ``--pairs``."""
    group.add_argument(
        "--pairs", metavar="A:B:C",
        help="only these pairs, such as 100:500:2 (500 not included) or 3,8,100:200",
    )  # fmt: skip


def add_series_images(scene: argparse._ArgumentGroup, background: str) -> None:
    """Add ``--mask`` and ``--background`` of a series.

    Parameters
    ----------
    scene : argument group
    background : str
        What more there is to say of a background of the series' own frames.
    """
    scene.add_argument(
        "--mask", type=Path, metavar="FILE",
        help="image, or HDF5 with /mask for all pairs or for each; non-zero = masked",
    )  # fmt: skip
    scene.add_argument(
        "--background", action="append", default=[], metavar="FILE|mean|min",
        help="subtract an image (given twice: one for each frame), or the mean or the minimum of "
        + background,
    )  # fmt: skip


def add_recordings(group: argparse._ArgumentGroup) -> None:
    """Add what names recordings that weights are judged on, and how they are analysed."""
    add_series(group)
    group.add_argument(
        "--pairs", metavar="A:B:C",
        help="look at these pairs, such as 100:500:20 or 3,8 (default: eight, spread over all)",
    )  # fmt: skip
    add_series_images(group, "the recordings")
    group.add_argument(
        "--settings", type=Path, metavar="FILE.toml", help="settings of their analysis"
    )
    group.add_argument(
        "--set", action="append", default=[], metavar="STAGE.NAME=VALUE", dest="assignments",
        help="change one setting of it; may be repeated",
    )  # fmt: skip


def add_scales(scene: argparse._ArgumentGroup) -> None:
    """Add ``--dt``, ``--pixel-size`` and ``--origin``."""
    scene.add_argument(
        "--dt", type=units.seconds, metavar="TIME", help="between the frames, such as 200us"
    )
    scene.add_argument(
        "--pixel-size", type=units.metres, metavar="LENGTH",
        help="of a pixel in the flow, such as 21um; with --dt gives m and m/s, y up",
    )  # fmt: skip
    scene.add_argument(
        "--origin", type=float, nargs=2, metavar=("X", "Y"),
        help="pixel that becomes (0, 0) m (default: the left top one)",
    )  # fmt: skip


def chosen_settings(args: argparse.Namespace) -> Settings:
    """Preset, then the file, then each ``--set``; the later wins."""
    settings = PRESETS[args.preset].settings
    if args.settings is not None:
        settings = stages.load(args.settings, settings)
    return stages.apply_assignments(settings, args.assignments)


def chosen_assignments(args: argparse.Namespace) -> Settings:
    """The file's settings, then each ``--set``; the later wins."""
    settings = Settings() if args.settings is None else stages.load(args.settings)
    return stages.apply_assignments(settings, args.assignments)


def check_background(words: list[str]) -> None:
    """Refuse what ``--background`` of a series cannot be.

    Raises
    ------
    InputError
        If there are more than two, or ``mean`` or ``min`` beside another.
    """
    own = [word for word in words if word in ("mean", "min")]
    if len(words) > 2 or (own and len(words) > 1):
        raise InputError("--background is given once, or twice with one image for each frame")


def chosen_model(args: argparse.Namespace) -> str:
    """The named model, or the preset's."""
    return PRESETS[args.preset].model if args.model is None else args.model


def check_output(
    path: Path, inputs: list[Path], *, overwrite: bool, try_folder: bool = True
) -> None:
    """Refuse, before anything is computed, what could not be written or would do harm.

    With ``try_folder`` an empty file is made in the folder, and removed.

    Raises
    ------
    InputError
        If the path is a folder, lies in none that exists or can be written to, is one of the
        inputs, or exists and may not be replaced.
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    for each in inputs:
        if each.exists() and path.exists() and path.samefile(each):
            raise InputError(f"cannot write {path}: it is one of the inputs")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already: choose another name, or add --overwrite")
    if not try_folder:
        return
    # permissions alone do not tell everything; `tempfile` would try for ever on Windows
    probe = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {path}: {reason}; choose another folder") from None
