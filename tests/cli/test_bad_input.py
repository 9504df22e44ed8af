"""Bad input gets one clear line and exit status 2, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import piv
from piv.cli import main

SHAPE = (72, 100)
Words = list[str | Path]
Case = Callable[[Path], Words]
CASES: dict[str, tuple[Case, str]] = {}


def case(name: str, words: str) -> Callable[[Case], Case]:
    """Register what makes bad input, and the words its message must hold."""

    def keep(make: Case) -> Case:
        CASES[name] = make, words
        return make

    return keep


def _with(folder: Path, image: Any, **options: Any) -> Words:
    tifffile.imwrite(folder / "bad.tif", image, **options)
    return [folder / "bad.tif", folder / "b.tif"]


def _good(folder: Path, *more: str | Path) -> Words:
    return [folder / "a.tif", folder / "b.tif", *more]


def _options(name: str, words: str, *more: str) -> None:
    CASES[name] = (lambda folder: _good(folder, *more)), words


@case("missing file", "there is no such file")
def _(folder: Path) -> Words:
    return [folder / "a.tif", folder / "c.tif"]


@case("empty file", "the file is empty")
def _(folder: Path) -> Words:
    (folder / "bad.tif").touch()
    return [folder / "bad.tif", folder / "b.tif"]


@case("folder", "it is a folder")
def _(folder: Path) -> Words:
    return [folder, folder / "b.tif"]


@case("not an image", "is not an image that can be read")
def _(folder: Path) -> Words:
    (folder / "bad.tif").write_text("particle\nimage", encoding="utf-8")
    return [folder / "bad.tif", folder / "b.tif"]


@case("truncated tif", "is truncated")
def _(folder: Path) -> Words:
    content = (folder / "a.tif").read_bytes()
    (folder / "bad.tif").write_bytes(content[: len(content) // 2])
    return [folder / "bad.tif", folder / "b.tif"]


@case("colour tif", "is a colour image")
def _(folder: Path) -> Words:
    rng = np.random.default_rng(0)
    return _with(folder, rng.integers(0, 255, (*SHAPE, 3), np.uint8), photometric="rgb")


@case("three equal channels", "save it as grey levels")
def _(folder: Path) -> Words:
    grey = tifffile.imread(folder / "a.tif")
    Image.fromarray(np.stack([grey] * 3, -1)).save(folder / "bad.png")
    return [folder / "bad.png", folder / "b.tif"]


@case("frames of different shape", "differ in shape, 100 x 72 and 72 x 100 px")
def _(folder: Path) -> Words:
    return _with(folder, np.ones(SHAPE[::-1], np.uint8))


@case("image under 32 px", "is 31 x 100 px (height x width): at least 32 x 32 px are needed")
def _(folder: Path) -> Words:
    return _with(folder, np.ones((31, 100), np.uint8))


@case("NaN pixel", "holds NaN or infinite grey levels")
def _(folder: Path) -> Words:
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    image[3, 4] = np.nan
    return _with(folder, image)


@case("infinite pixel", "holds NaN or infinite grey levels")
def _(folder: Path) -> Words:
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    image[3, 4] = -np.inf
    return _with(folder, image)


@case("all-black frame", "the first frame is all black")
def _(folder: Path) -> Words:
    return _with(folder, np.zeros(SHAPE, np.uint8))


@case("constant frame", "the first frame is of one grey level (7)")
def _(folder: Path) -> Words:
    return _with(folder, np.full(SHAPE, 7, np.uint16))


@case("mask of another shape", "is 100 x 72 px, but the frames are 72 x 100 px")
def _(folder: Path) -> Words:
    tifffile.imwrite(folder / "mask.tif", np.zeros(SHAPE[::-1], np.uint8))
    return _good(folder, "--mask", folder / "mask.tif")


@case("mask that hides all", "hides every pixel")
def _(folder: Path) -> Words:
    tifffile.imwrite(folder / "mask.tif", np.ones(SHAPE, np.uint8))
    return _good(folder, "--mask", folder / "mask.tif")


@case("missing mask", "there is no such file")
def _(folder: Path) -> Words:
    return _good(folder, "--mask", folder / "mask.tif")


@case("one image alone", "holds one image: give two image files")
def _(folder: Path) -> Words:
    return [folder / "a.tif"]


@case("three pages", "holds 3 images")
def _(folder: Path) -> Words:
    pages = np.zeros((3, *SHAPE), np.uint8)
    return _with(folder, pages, photometric="minisblack")[:1]


@case("two pages and a second file", "holds 2 images, but one is wanted")
def _(folder: Path) -> Words:
    return _with(folder, np.zeros((2, *SHAPE), np.uint8), photometric="minisblack")


@case("background of another shape", "the background is 100 x 72 px")
def _(folder: Path) -> Words:
    tifffile.imwrite(folder / "back.tif", np.zeros(SHAPE[::-1], np.uint8))
    return _good(folder, "--background", folder / "back.tif")


@case("background that leaves nothing", "all black")
def _(folder: Path) -> Words:
    tifffile.imwrite(folder / "back.tif", np.full(SHAPE, 255, np.uint8))
    return _good(folder, "--background", folder / "back.tif")


@case("three backgrounds", "--background is given once, or twice")
def _(folder: Path) -> Words:
    return _good(folder, *["--background", folder / "a.tif"] * 3)


@case("output in no folder", "there is no folder")
def _(folder: Path) -> Words:
    return _good(folder, "-o", folder / "none" / "f.h5")


@case("output under a file", "there is no folder")
def _(folder: Path) -> Words:
    return _good(folder, "-o", folder / "a.tif" / "f.h5")


@case("output is a folder", "it is a folder")
def _(folder: Path) -> Words:
    (folder / "f.h5").mkdir()
    return _good(folder, "-o", folder / "f.h5")


@case("output is an input", "it is one of the inputs")
def _(folder: Path) -> Words:
    (folder / "a.tif").rename(folder / "a.h5")  # the content tells the format
    return [folder / "a.h5", folder / "b.tif", "-o", folder / "." / "a.h5", "--overwrite"]


@case("figure is an input", "it is one of the inputs")
def _(folder: Path) -> Words:
    Image.fromarray(tifffile.imread(folder / "a.tif")).save(folder / "a.png")
    return [folder / "a.png", folder / "b.tif", "--figure", folder / "a.png", "--overwrite"]


@case("figure is the mask", "it is one of the inputs")
def _(folder: Path) -> Words:
    mask = folder / "m.png"
    Image.fromarray(np.eye(*SHAPE, dtype=np.uint8)).save(mask)
    return _good(folder, "--mask", mask, "--figure", mask, "--overwrite")


@case("output exists", "exists already: choose another name, or add --overwrite")
def _(folder: Path) -> Words:
    (folder / "f.h5").write_text("precious", encoding="utf-8")
    return _good(folder, "-o", folder / "f.h5")


@case("output of another kind", "must end in .h5 or .hdf5")
def _(folder: Path) -> Words:
    return _good(folder, "-o", folder / "f.png")


@case("figure of another kind", "must end in .png, .pdf, .svg")
def _(folder: Path) -> Words:
    return _good(folder, "--figure", folder / "f.gif")


@case("missing settings file", "cannot read the settings")
def _(folder: Path) -> Words:
    return _good(folder, "--settings", folder / "none.toml")


@case("settings that are not TOML", "are not TOML")
def _(folder: Path) -> Words:
    (folder / "s.toml").write_text("[correlate\n", encoding="utf-8")
    return _good(folder, "--settings", folder / "s.toml")


@case("unknown setting in a file", "did you mean correlate.overlap?")
def _(folder: Path) -> Words:
    (folder / "s.toml").write_text("[correlate]\noverlab = 0.5\n", encoding="utf-8")
    return _good(folder, "--settings", folder / "s.toml")


@case("missing model file", "weights")
def _(folder: Path) -> Words:
    return _good(folder, "--model", folder / "none.safetensors")


@case("foreign model file", "damaged or not a safetensors file")
def _(folder: Path) -> Words:
    (folder / "w.safetensors").write_bytes(b"not weights at all")
    return _good(folder, "--model", folder / "w.safetensors")


_options("unknown setting", "did you mean correlate.windows?", "--set", "correlate.window=32")
_options("unknown stage", "unknown settings table [corelate]", "--set", "corelate.windows=32")
_options("setting out of range", "correlate.overlap must be", "--set", "correlate.overlap=2")
_options("setting without value", "--set takes stage.name=value", "--set", "correlate.overlap")
_options("region outside the frame", "leaves the frame", "--set", "preprocess.region=[80,0,64,64]")
_options("region too small", "at least 32 x 32", "--set", "preprocess.region=[0,0,20,64]")
_options("unknown option", "unknown option --modle: did you mean --model?", "--modle", "none")
_options("abbreviated option", "unknown option --over", "--over")
_options("unknown preset", "did you mean standard?", "--preset", "standart")
_options("unknown model", "unknown model ccfcn-1900.1", "--model", "ccfcn-1900.1")
_options("option without value", "expected one argument", "--mask")
_options("too many words", "too many arguments: c.tif", "c.tif")
_options("range without figure", "add --figure", "--range", "0", "1")
_options("scale without figure", "add --figure", "--vector-scale", "2")
_options("range the wrong way", "low < high", "--figure", "f.png", "--range", "3", "1")
_options("range of no numbers", "invalid float value", "--figure", "f.png", "--range", "a", "b")
_options("scale of zero", "a positive number", "--figure", "f.png", "--vector-scale", "0")
_options("pixel size without dt", "--dt", "--pixel-size", "21um")
_options("origin without pixel size", "add --pixel-size", "--origin", "0", "0")
_options("no threads", "a whole number from 1", "--threads", "0")
for _text in ("0", "-1", "nan", "inf", "abc", "5km", "1e999", ""):
    _options(f"dt {_text!r}", "a positive time such as 200us", "--dt", _text)
    _options(
        f"pixel size {_text!r}", "a positive length such as 21um", "--dt=1", "--pixel-size", _text
    )
_options(
    "origin not finite", "finite", "--dt", "1ms", "--pixel-size", "1mm", "--origin", "nan", "0"
)


def _listing(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_status_2(
    name: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, words = CASES[name]
    argv = [str(word) for word in make(folder)]
    if "-o" not in argv and "--figure" not in argv:
        argv += ["-o", str(folder / "out.h5")]
    if "--model" not in argv:
        argv += ["--model", "none"]
    before = _listing(folder)
    status = main(["analyse", *argv])
    out, err = capfd.readouterr()
    assert status == 2
    assert out == ""
    assert err.startswith("piv: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert words in err
    assert _listing(folder) == before


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "name a command: analyse, "),
        (["analyze", "a", "b"], "unknown command 'analyze': did you mean analyse?"),
        (["analyse"], "the following arguments are required: A"),
        (["settings", "--presett", "fast"], "unknown option --presett: did you mean --preset?"),
        (["doctor", "now"], "too many arguments: now"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(
    argv: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("piv: error: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that takes no file")
@pytest.mark.parametrize("option", ["-o", "--figure"])
def test_a_folder_that_takes_no_file_is_told_before_anything_is_computed(
    option: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(piv, "analyse", lambda *_, **__: pytest.fail("computed first"))
    name = "/proc/f.h5" if option == "-o" else "/proc/f.png"
    assert main(["analyse", *map(str, _good(folder)), option, name, "--model", "none"]) == 2
    _, err = capfd.readouterr()
    assert err.startswith(f"piv: error: cannot write {name}: ")
    assert err.endswith("; choose another folder\n")


def test_in_python_the_same_is_a_piv_error(folder: Path) -> None:
    with pytest.raises(piv.PIVError, match="there is no such file"):
        piv.read_pair(folder / "none.tif", folder / "b.tif")
    pair = piv.read_pair(folder / "a.tif", folder / "b.tif")
    with pytest.raises(piv.PIVError, match="all black"):
        piv.analyse(np.zeros_like(pair.first), pair.second, model=None)
    with pytest.raises(piv.PIVError, match="unknown model"):
        piv.analyse(pair, model="ccfcn-1900.1")
