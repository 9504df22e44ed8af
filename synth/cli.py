"""``piv-synth``: data sets and single pairs with their truth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piv.cli.choices import check_output
from piv.cli.guard import Parser, guarded
from piv.errors import InputError, SettingsError
from piv.types import size_text

if TYPE_CHECKING:
    from synth.recipe import Recipe

_MORE = (  # options of `pair` that set one entry of a recipe: option, table, entry, help
    ("density", "particles", "density", "particles per pixel"),
    ("diameter", "particles", "diameter", "mean e^-2 diameter of the particle images, px"),
    ("loss", "particles", "loss_of_pairs", "share of the particles that lose their partner"),
    ("noise", "camera", "noise", "read noise over the peak of a bright particle"),
    ("bits", "camera", "bits", "bit depth of the camera, 8 to 16"),
    ("displacement", "scene", "displacement", "largest displacement in the image, px"),
    ("unseeded", "scene", "unseeded", "probability of a region without particles"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``piv-synth`` with these words; returns the exit status, as ``piv`` does."""
    return guarded("piv-synth", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    options.run(options)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="piv-synth", description="Synthetic particle images with their truth.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")

    dataset = commands.add_parser("dataset", help="write an HDF5 data set of pairs with truth")
    dataset.add_argument("recipe", metavar="RECIPE", help="name of a recipe, or a TOML file")
    dataset.add_argument("output", metavar="OUTPUT.h5", type=Path)
    dataset.add_argument("--pairs", type=int, default=100, help="how many (default 100)")
    _choices(dataset)
    dataset.set_defaults(run=_dataset)

    pair = commands.add_parser("pair", help="write one pair of tif files with its truth")
    pair.add_argument("recipe", metavar="RECIPE|FLOW", help="a recipe, a TOML file, or a flow")
    pair.add_argument(
        "-o", "--output", metavar="NAME", type=Path, required=True,
        help="writes NAME_a.tif, NAME_b.tif, NAME_truth.h5, and NAME_mask.tif if there is a mask",
    )  # fmt: skip
    _choices(pair)
    for option, _, _, text in _MORE:
        pair.add_argument(f"--{option}", type=float, help=text)
    pair.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the flow"
    )
    pair.set_defaults(run=_pair)

    fields = commands.add_parser("fields", help="compute the stored solver fields anew (minutes)")
    fields.add_argument("folder", type=Path, help="where to write them")
    fields.set_defaults(run=_fields)

    written = commands.add_parser(
        "recipe", help="print a recipe as TOML, or without a name one with every entry"
    )
    written.add_argument("name", nargs="?", metavar="NAME", help="a recipe of `piv-synth list`")
    written.set_defaults(run=_written)

    listing = commands.add_parser("list", help="show the recipes with their classes, and the flows")
    listing.set_defaults(run=_list)
    return parser


def _choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", default="train", help="train (default), validation or test: they share no seed"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="first pair of the split")
    parser.add_argument("--kind", metavar="CLASS", help="only this class of the recipe")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("H", "W"), help="height and width, px"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, mps ...")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")


def _dataset(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from synth.dataset import write_dataset
    from synth.recipe import load
    from synth.source import Source

    if options.output.suffix.lower() not in (".h5", ".hdf5"):
        raise InputError(f"data sets are HDF5: {options.output} must end in .h5 or .hdf5")
    check_output(options.output, [Path(options.recipe)], overwrite=options.overwrite)
    if options.pairs < 1:
        raise InputError(f"--pairs must be at least 1, not {options.pairs}")
    source = Source(load(options.recipe), _device(options.device))
    indices = range(options.seed, options.seed + options.pairs)
    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    task = bar.add_task("pairs", total=options.pairs)

    def advance() -> None:
        bar.start()  # with the first pair: an error in the input stays one line
        bar.advance(task)

    try:
        write_dataset(
            options.output,
            source,
            options.split,
            indices,
            kind=options.kind,
            size=_size(options),
            progress=advance,
        )
    finally:
        if bar.live.is_started:
            bar.stop()
    print(f"{options.output}: {options.pairs} pairs of {source.name}, split {options.split}")


def _pair(options: argparse.Namespace) -> None:
    import tifffile

    from piv.io.files import replacing
    from synth.dataset import write_truth
    from synth.source import Source

    source = Source(_recipe(options), _device(options.device))
    made = source.pair(options.split, options.seed, options.kind, _size(options))
    images: dict[str, Any] = {"a": made.pair.first, "b": made.pair.second}
    if made.pair.mask is not None:
        images["mask"] = made.pair.mask.astype("uint8") * 255
    stem: Path = options.output
    paths = {name: stem.with_name(f"{stem.name}_{name}.tif") for name in images}
    truth = stem.with_name(f"{stem.name}_truth.h5")
    for path in (*paths.values(), truth):
        check_output(path, [Path(options.recipe)], overwrite=options.overwrite)
    for name, image in images.items():
        with replacing(paths[name]) as file:
            tifffile.imwrite(file, image, photometric="minisblack")
    write_truth(truth, made)
    size = f"{size_text(made.pair.shape)} px (height x width)"
    print(f"{stem}: {made.kind}, {size}, {', '.join(images)} and truth")


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe, or one of the flow alone, with the entries set on the command line."""
    from synth.recipe import load, override, parse
    from synth.scene import FLOWS

    if options.recipe in FLOWS:
        # whoever asks for one pair with a body also wants to know where the body is
        drawn = {options.recipe: {"scene": {"mask_given": 1.0}}}
        recipe = parse({"classes": drawn}, options.recipe)
    else:
        recipe = load(options.recipe, also=FLOWS)
    changes: dict[str, dict[str, float]] = {"options": {}}
    for option, part, key, _ in _MORE:
        if (value := getattr(options, option)) is not None:
            changes.setdefault(part, {})[key] = value
    for text in options.option:
        name, _, number = text.partition("=")
        try:
            changes["options"][name] = float(number)
        except ValueError:
            raise SettingsError(f"--option {text}: give NAME=NUMBER") from None
    return override(recipe, changes, options.kind)


def _fields(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from piv.io.files import make_folder
    from piv.train.source import SPLITS
    from synth import stored

    make_folder(options.folder)
    with Progress(console=Console(stderr=True)) as bar:
        for name in stored.SOLVERS:
            total = sum(stored.RUNS.values()) * len(stored.TIMES)
            task = bar.add_task(name, total=total)
            fields = {
                split: stored.compute(name, split, partial(bar.advance, task)) for split in SPLITS
            }
            stored.save(name, fields, options.folder)
    print(f"{options.folder}: {', '.join(stored.SOLVERS)}")


def _written(options: argparse.Namespace) -> None:
    from synth.recipe import template, text_of

    print(template() if options.name is None else text_of(options.name), end="")


def _list(_options: argparse.Namespace) -> None:
    from synth.recipe import load, names
    from synth.scene import FLOWS

    for name in names():
        recipe = load(name)
        print(f"{name}: {recipe.description}")
        print(f"    classes: {', '.join(recipe.classes)}")
    print("flows, with their options:")
    for flow, (draw, known) in FLOWS.items():
        first = (draw.__doc__ or "").splitlines()[0].split(";")[0]
        print(f"    {flow} ({', '.join(known)}): {first}")


def _size(options: argparse.Namespace) -> tuple[int, int] | None:
    return None if options.size is None else (options.size[0], options.size[1])


def _device(name: str) -> str:
    import torch

    try:
        there = torch.ones(1, device=name).sum().item() == 1
    except (RuntimeError, AssertionError, NotImplementedError):
        there = False
    if not there:
        raise InputError(f"the device {name!r} is not there: use --device cpu")
    return name


if __name__ == "__main__":
    sys.exit(main())
