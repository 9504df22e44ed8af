"""Image files: what is read, and the one clear line for what is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from PIL import Image

from piv.errors import InputError
from piv.io.images import read_image, read_mask, read_pair

SHAPE = (40, 52)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Meßdaten 水 a"
    path.mkdir()
    return path


@pytest.fixture
def grey(rng: np.random.Generator) -> Callable[[Any], Any]:
    def make(kind: Any) -> Any:
        if np.dtype(kind).kind == "f":
            return rng.random(SHAPE).astype(kind)
        top = 4096 if np.dtype(kind).itemsize > 1 else 256  # 12 bits in 16
        return rng.integers(0, top, SHAPE).astype(kind)

    return make


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
def test_a_tif_keeps_its_grey_levels_and_their_depth(
    folder: Path, grey: Any, kind: Any, compression: str | None
) -> None:
    image = grey(kind)
    tifffile.imwrite(folder / "a.tif", image, compression=compression)
    read = read_image(folder / "a.tif")
    assert read.dtype == kind
    assert_array_equal(read, image)


def test_a_tif_of_tiles_is_read(folder: Path, grey: Any) -> None:
    image = grey(np.uint16)
    tifffile.imwrite(folder / "a.tif", image, tile=(16, 16))
    assert_array_equal(read_image(folder / "a.tif"), image)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", np.uint8), ("a.png", np.uint16), ("a.bmp", np.uint8)]
)
def test_png_and_bmp_keep_their_depth(folder: Path, grey: Any, name: str, kind: Any) -> None:
    image = grey(kind)
    Image.fromarray(image).save(folder / name)
    read = read_image(folder / name)
    assert read.dtype == kind
    assert_array_equal(read, image)


def test_a_jpg_is_read(folder: Path) -> None:
    image = np.add.outer(np.arange(40), np.arange(52)).astype(np.uint8)
    Image.fromarray(image).save(folder / "a.jpg", quality=100)
    assert np.abs(read_image(folder / "a.jpg").astype(int) - image).max() <= 2


def test_the_content_tells_the_format_not_the_name(folder: Path, grey: Any) -> None:
    image = grey(np.uint16)
    tifffile.imwrite(folder / "frame.png", image)
    assert_array_equal(read_image(folder / "frame.png"), image)


def test_two_files_are_a_pair(folder: Path, grey: Any) -> None:
    first, second = grey(np.uint8), grey(np.uint8)
    tifffile.imwrite(folder / "a.tif", first)
    Image.fromarray(second).save(folder / "b.png")
    pair = read_pair(folder / "a.tif", folder / "b.png", dt=2e-4)
    assert_array_equal(pair.first, first)
    assert_array_equal(pair.second, second)
    assert (pair.dt, pair.name) == (2e-4, "a.tif, b.png")


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"metadata": None}])
def test_a_tif_of_two_pages_is_a_pair(folder: Path, grey: Any, options: dict[str, Any]) -> None:
    both = np.stack([grey(np.uint16), grey(np.uint16)])
    tifffile.imwrite(folder / "both.tif", both, photometric="minisblack", **options)
    pair = read_pair(str(folder / "both.tif"))
    assert_array_equal(np.stack([pair.first, pair.second]), both)
    assert pair.name == "both.tif"


@pytest.mark.parametrize("pages", [1, 3])
def test_a_single_file_must_hold_two_pages(folder: Path, grey: Any, pages: int) -> None:
    stack = np.stack([grey(np.uint8)] * pages)
    tifffile.imwrite(folder / "a.tif", stack, photometric="minisblack")
    number = {1: "one image", 3: "3 images"}[pages]
    with pytest.raises(InputError, match=rf"a\.tif holds {number}: give two image files, or one"):
        read_pair(folder / "a.tif")


def test_a_tif_of_two_pages_takes_no_second_file(folder: Path, grey: Any) -> None:
    tifffile.imwrite(folder / "a.tif", np.stack([grey(np.uint8)] * 2), photometric="minisblack")
    tifffile.imwrite(folder / "b.tif", grey(np.uint8))
    with pytest.raises(InputError, match=r"a\.tif holds 2 images, but one is wanted"):
        read_pair(folder / "a.tif", folder / "b.tif")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "not None"),
        (7, "not a value of type int"),
        (b"a.tif", "not a value of type bytes"),
        (["a.tif", "b.tif"], "not a value of type list"),
        (np.zeros(SHAPE), "not a value of type ndarray: piv.ImagePair takes arrays"),
        ("a\0.tif", r"not 'a\x00.tif'"),
    ],
)
def test_what_is_no_path_is_refused(folder: Path, grey: Any, value: Any, message: str) -> None:
    good = folder / "a.tif"
    tifffile.imwrite(good, grey(np.uint8))
    calls: list[Callable[[], Any]] = [
        lambda: read_pair(value),
        lambda: read_pair(value, good),
        lambda: read_image(value),
        lambda: read_mask(value, SHAPE),
    ]
    if value is not None:  # which stands for one file of two pages, and for no mask
        calls.append(lambda: read_pair(good, value))
    if value is not None and not isinstance(value, np.ndarray):
        calls.append(lambda: read_pair(good, good, mask=value))
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == f"the path of an image file is wanted, {message}"


def test_a_mask_hides_where_it_is_not_zero(folder: Path, grey: Any) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:9, 20:30] = 1
    mask[12, 4] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    tifffile.imwrite(folder / "a.tif", grey(np.uint8))
    pair = read_pair(folder / "a.tif", folder / "a.tif", mask=folder / "mask.png")
    assert pair.mask is not None
    assert_array_equal(pair.mask, mask > 0)
    again = read_pair(folder / "a.tif", folder / "a.tif", mask=mask > 0)
    assert_array_equal(again.mask, pair.mask)


def test_a_mask_of_one_bit_is_read(folder: Path) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[:4] = True
    Image.fromarray(mask).save(folder / "mask.png")
    assert_array_equal(read_mask(folder / "mask.png", SHAPE), mask)


def test_a_mask_that_does_not_fit_or_hides_all_is_refused(folder: Path) -> None:
    Image.fromarray(np.full(SHAPE, 255, np.uint8)).save(folder / "mask.png")
    with pytest.raises(InputError, match="40 x 52 px, but the frames are 52 x 40 px"):
        read_mask(folder / "mask.png", (52, 40))
    with pytest.raises(InputError, match="hides every pixel"):
        read_mask(folder / "mask.png", SHAPE)


def _colour(folder: Path, image: Any) -> list[Path]:
    three = np.stack([image] * 3, axis=-1)
    tifffile.imwrite(folder / "c.tif", three, photometric="rgb")
    palette = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (3, 1))
    tifffile.imwrite(folder / "p.tif", image, photometric="palette", colormap=palette)
    for name in ("c.png", "c.bmp", "c.jpg"):
        Image.fromarray(three).save(folder / name)
    Image.fromarray(three).convert("P").save(folder / "p.png")
    Image.merge("LA", [Image.fromarray(image)] * 2).save(folder / "alpha.png")
    return sorted(folder.iterdir())


def test_colour_is_refused_also_with_three_equal_channels(folder: Path, grey: Any) -> None:
    files = _colour(folder, grey(np.uint8))
    assert len(files) == 7
    for path in files:
        with pytest.raises(InputError, match=r"is a colour image .*: save it as grey levels"):
            read_image(path)


def _good(folder: Path, image: Any) -> list[Path]:
    tifffile.imwrite(folder / "plain.tif", image)
    tifffile.imwrite(folder / "lzw.tif", image, compression="lzw")
    tifffile.imwrite(folder / "tiles.tif", image, tile=(16, 16), compression="zlib")
    tifffile.imwrite(folder / "pages.tif", np.stack([image] * 2), photometric="minisblack")
    tifffile.imwrite(folder / "apart.tif", image)
    tifffile.imwrite(folder / "apart.tif", image, append=True)
    for name in ("a.png", "a.bmp", "a.jpg"):
        Image.fromarray(image).save(folder / name)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("share", [0.05, 0.4, 0.7, 0.97])
def test_a_truncated_file_is_refused_in_one_quiet_line(
    folder: Path, grey: Any, share: float, caplog: Any, capfd: Any
) -> None:
    for path in _good(folder, grey(np.uint8)):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError) as caught:
            read_image(path)
        message = str(caught.value)
        assert path.name in message
        assert "truncated" in message or "holds" in message, message
        assert "\n" not in message
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_what_is_no_image_is_refused_by_name(folder: Path) -> None:
    (folder / "empty.tif").touch()
    (folder / "text.tif").write_text("not an image", encoding="utf-8")
    (folder / "head.tif").write_bytes(b"II*\0")
    cases = {
        "empty.tif": "the file is empty",
        "text.tif": "is not an image that can be read",
        "head.tif": "damaged or truncated",
        "none.tif": "there is no such file",
        ".": "it is a folder",
    }
    for name, words in cases.items():
        with pytest.raises(InputError, match=words):
            read_image(folder / name)


def test_complex_numbers_are_refused(folder: Path) -> None:
    tifffile.imwrite(folder / "a.tif", np.ones(SHAPE, np.complex64))
    with pytest.raises(InputError, match="complex64 numbers"):
        read_image(folder / "a.tif")


def test_the_loggers_of_libraries_are_as_before(folder: Path, grey: Any) -> None:
    tifffile.imwrite(folder / "a.tif", grey(np.uint8))
    read_image(folder / "a.tif")
    assert logging.getLogger("tifffile").filters == []
    assert logging.getLogger("PIL").filters == []
