"""Opening pictures: every format to the right pixels, everything else to one ImageError."""

import os
import random
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from corpus import BLUE, GREEN, GREY, HEIGHT, RED, WIDTH, corpus, encoded, exif, noisy, scene, turned
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from expllm.core.errors import ImageError, UsageError
from expllm.files.images import ImageLimits, Picture, open_frames, open_image, read_stream
from expllm.files.pixels import fitted

CASES = corpus()
COLOURED = """jpeg jpeg_mpo jpeg_cmyk jpeg_icc_garbage png png_palette png_crc_data png_animated gif
    gif_animated webp_exif_8 webp_animated bmp tiff tiff_lzw tiff_deflate tiff_cmyk tiff_lab tiff_exif_6
    png_exif_6 tiff_two_pages jpeg_icc_lab""".split()
COLOURED += [f"jpeg_exif_{n}" for n in range(1, 9)]


def quadrants(picture: Picture) -> list[list[int]]:
    """The colours in the middle of the four quadrants of the scene: red, green, blue, grey."""
    assert picture.pixels.shape == (HEIGHT, WIDTH, 3)
    return [picture.pixels[y, x].astype(int).tolist() for y in (8, 24) for x in (12, 36)]


@pytest.mark.parametrize("name", CASES)
def test_corpus(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if case.expect == "error":
            with pytest.raises(ImageError) as caught:
                open_image(case.data, name=name)
            assert case.says in str(caught.value)
            assert caught.value.line.startswith(f"{name}: ")
            assert "\n" not in str(caught.value)
        else:
            pixels = open_image(case.data, name=name).pixels
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.flags.c_contiguous
            assert not pixels.flags.writeable
    assert capfd.readouterr() == ("", "")


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("stem", COLOURED)
def test_the_same_scene_from_every_file(stem: str) -> None:
    name = next(n for n in CASES if n.rpartition(".")[0] == stem)
    found = quadrants(open_image(CASES[name].data))
    assert np.abs(np.array(found) - np.array([RED, GREEN, BLUE, GREY])).max() <= 6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("png_grey16.png", (128, 128, 128)),  # 32768 of 65535
        ("png_rgb16.png", (255, 128, 0)),
        ("tiff_grey16.tif", (128, 128, 128)),
        ("tiff_int32.tif", (128, 128, 128)),
        ("tiff_float.tif", (128, 128, 128)),  # 0.5 of 1
        ("tiff_nan.tif", (0, 0, 0)),
        ("png_alpha.png", (255, 127, 127)),  # half red over white
        ("png_grey_alpha.png", (127, 127, 127)),
        ("webp_alpha.webp", (255, 127, 127)),
        ("gif_clear.gif", (255, 255, 255)),
        ("png_grey_clear.png", (255, 255, 255)),
        ("png_rgb_clear.png", (255, 255, 255)),
        ("png_grey16_clear.png", (255, 255, 255)),
        ("png_interlaced.png", (255, 0, 0)),
        ("bmp_rle.bmp", (9, 8, 7)),
    ],
)
def test_first_pixel(name: str, expected: tuple[int, int, int]) -> None:
    assert tuple(open_image(CASES[name].data).pixels[0, 0].tolist()) == expected


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.array([[0, 257, 300, 32767, 32768, 65278, 65535]], np.uint16)
    opened = open_image(encoded(Image.fromarray(ramp), "PNG"))
    assert opened.pixels[0, :, 0].tolist() == [0, 1, 1, 127, 128, 254, 255]


def test_32_bit_grey_beyond_16_bits_uses_its_largest_value_as_white() -> None:
    wide = Image.fromarray(np.array([[0, 1_200_000, 2_000_000]], np.int32))
    assert open_image(wide).pixels[0, :, 0].tolist() == [0, 153, 255]


def test_a_profile_that_is_not_srgb_changes_the_colours_and_srgb_does_not() -> None:
    colour = Image.new("RGB", (4, 4), (128, 64, 32))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert open_image(encoded(colour, "PNG", icc_profile=srgb)).pixels[0, 0].tolist() == [128, 64, 32]
    swapped = bytearray(srgb)  # the description names sRGB: hide it, and swap the red and blue primaries
    for old, new in ((b"rXYZ", b"tXYZ"), (b"bXYZ", b"rXYZ"), (b"tXYZ", b"bXYZ")):
        swapped = bytearray(bytes(swapped).replace(old, new, 1))
    swapped = bytearray(bytes(swapped).replace("sRGB".encode("utf-16-be"), "xxxx".encode("utf-16-be")))
    turned_round = open_image(encoded(colour, "PNG", icc_profile=bytes(swapped))).pixels[0, 0].astype(int)
    assert abs(turned_round - [32, 64, 128]).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_with_reduction_and_full_size(orientation: int, kind: str) -> None:
    big = turned(orientation).resize(
        [side * 8 for side in turned(orientation).size], Image.Resampling.NEAREST
    )
    options = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif(orientation)}
    picture = open_image(encoded(big, kind, **options), analysis_side=WIDTH)
    assert picture.full_size == (WIDTH * 8, HEIGHT * 8)
    assert picture.scale == picture.scale_x == picture.scale_y == 8
    assert np.abs(np.array(quadrants(picture)) - np.array([RED, GREEN, BLUE, GREY])).max() <= 6


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(("size", "side"), [((2001, 1499), 480), ((1921, 1081), 500), ((961, 700), 960)])
def test_reduced_jpeg_lies_where_the_full_one_does(mode: str, size: tuple[int, int], side: int) -> None:
    smooth = noisy(40, 30).resize(size, Image.Resampling.BICUBIC).convert(mode)
    data = encoded(smooth, "JPEG", quality=95)
    small = open_image(data, analysis_side=side)
    full = open_image(data, analysis_side=None)
    assert max(small.pixels.shape) == side
    assert full.full_size == small.full_size == size
    assert full.scale == 1
    fair = Image.fromarray(full.pixels).resize(small.pixels.shape[1::-1], Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(fair).astype(int) - small.pixels).mean() < 1


def test_mpo_is_reduced_too() -> None:
    data = encoded(scene().resize((1920, 1280)), "MPO", save_all=True, append_images=[noisy()])
    assert (
        np.abs(np.array(quadrants(open_image(data, analysis_side=WIDTH))) - [RED, GREEN, BLUE, GREY]).max()
        < 6
    )


def test_sizes_and_scales() -> None:
    assert fitted((4000, 3000), 960) == (960, 720)
    tall = open_image(CASES["png_tall.png"].data)
    assert tall.pixels.shape == (960, 1, 3)
    assert (tall.scale_x, tall.scale) == (1.0, 65000 / 960)
    small = open_image(CASES["png.png"].data)
    assert (small.full_size, small.scale) == ((WIDTH, HEIGHT), 1.0)


def test_arrays() -> None:
    array = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    picture = open_image(array)
    assert picture.name == "<array>"
    assert np.shares_memory(picture.pixels, array)
    assert array.flags.writeable
    mirrored = open_image(array[:, ::-1])
    assert mirrored.pixels.flags.c_contiguous
    assert (mirrored.pixels == array[:, ::-1]).all()
    assert open_image(np.zeros((100, 300, 3), np.uint8), analysis_side=30).pixels.shape == (10, 30, 3)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_wrong_arrays(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"<array>: is .*: give a uint8 RGB array of shape"):
        open_image(array)


def test_pillow_images(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(CASES["jpeg_exif_6.jpg"].data)
    with Image.open(path) as image:
        picture = open_image(image, analysis_side=24)
        assert image.size == (HEIGHT, WIDTH)  # as stored: not touched
    assert picture.name == str(path)
    assert picture.pixels.shape == (16, 24, 3)
    assert picture.full_size == (WIDTH, HEIGHT)
    closed = Image.open(path)
    closed.close()
    with pytest.raises(ImageError, match="broken image"):
        open_image(closed)
    for mode in ("1", "L", "P", "RGBA", "LA", "La", "RGBa", "PA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"):
        made = scene().convert("RGBA").convert(mode) if mode != "La" else scene().convert("LA").convert("La")
        assert open_image(made).name == "<image>"


def test_paths(tmp_path: Path) -> None:
    path = tmp_path / "scène 1.png"
    path.write_bytes(CASES["png.png"].data)
    assert open_image(path).name == open_image(str(path)).name == str(path)
    assert open_image(path, name="frame 7").name == "frame 7"
    os.mkfifo(tmp_path / "fifo")
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    wrong: dict[str | Path, str] = {
        tmp_path / "missing.png": "no such file",
        tmp_path: "a folder",
        tmp_path / "fifo": "not a regular file",
        Path("/dev/zero"): "not a regular file",
        tmp_path / "loop": "cannot be opened",
        tmp_path / ("x" * 5000): "cannot be opened",
        "a\0b.png": "cannot be opened",
        "a\ud800.png": "cannot be opened",
        "two\nlines.png": r"two\\nlines.png: no such file",
    }
    for source, says in wrong.items():
        with pytest.raises(ImageError, match=says) as caught:
            open_image(source)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageError, match=r"a.png: cannot be opened \(Permission denied\)"):
        open_image(path)


@pytest.mark.parametrize(
    "source", ["http://127.0.0.1/a.png", "HTTPS://example.org/a.png", "data:image/png;base64,AA"]
)
def test_urls_are_opened_on_request_only(source: str) -> None:
    with pytest.raises(ImageError, match="is a URL, and this call opens none"):
        open_image(source)


def test_the_login_in_a_url_is_not_shown() -> None:
    with pytest.raises(ImageError) as caught:
        open_image("https://me:secret@example.org/a.png")
    assert "secret" not in str(caught.value)


def test_other_types() -> None:
    with pytest.raises(ImageError, match="int is no picture"):
        open_image(7)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="analysis_side is 0"):
        open_image(CASES["png.png"].data, analysis_side=0)


def test_limits(tmp_path: Path) -> None:
    data = CASES["png.png"].data
    path = tmp_path / "a.png"
    path.write_bytes(data)
    few = ImageLimits(max_bytes=len(data) - 1)
    for source in (path, data):
        assert open_image(source, limits=ImageLimits(max_bytes=len(data), max_pixels=WIDTH * HEIGHT))
        with pytest.raises(ImageError, match=r"too large: more than .* bytes"):
            open_image(source, limits=few)
    for image in (data, scene()):
        with pytest.raises(ImageError, match="48 x 32 is more than 1,535 pixels"):
            open_image(image, limits=ImageLimits(max_pixels=WIDTH * HEIGHT - 1))
    with open("/dev/zero", "rb") as endless, pytest.raises(ImageError, match="<stdin>: too large"):
        read_stream(endless, "<stdin>", few)


def test_a_bomb_costs_no_memory() -> None:
    bomb = corpus()["png_bomb.png"].data
    code = (
        "import sys, resource; from expllm.files.images import open_image\n"
        "data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: open_image(data)\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < 60)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=bomb, capture_output=True, check=True)
    assert done.stdout.split() == [b"ImageError", b"True"]
    assert done.stderr == b""


def test_importing_loads_neither_numpy_nor_pillow() -> None:
    code = "import sys, expllm.files.images; sys.exit('numpy' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    data = [CASES[name].data for name in ("png_palette_clear.png", "jpeg_half.jpg", "tiff_page_nowhere.tif")]

    def work(seed: int) -> None:
        for _ in range(20):
            with suppress(ImageError):
                open_image(random.Random(seed).choice(data))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


LATER = [scene(), noisy(48, 32), noisy(48, 32)]
VALID = [encoded(LATER[0], kind, save_all=True, append_images=LATER[1:]) for kind in ("TIFF", "GIF", "AVIF")]
VALID += [case.data for name, case in CASES.items() if case.expect == "ok" and len(case.data) < 20_000]
SMALL = ImageLimits(max_pixels=1_000_000)


def flip(data: bytes, dice: random.Random) -> bytes:
    """Some bytes replaced, more of them near the start, where the headers are."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 12)):
        changed[int(len(changed) * dice.random() ** 3)] = dice.choice(
            (0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256))
        )
    return bytes(changed)


def cut(data: bytes, dice: random.Random) -> bytes:
    """A piece taken out."""
    start = dice.randrange(len(data))
    return data[:start] + data[start + dice.randint(1, len(data)) :]


def repeat(data: bytes, dice: random.Random) -> bytes:
    """A piece written twice."""
    start = dice.randrange(len(data))
    return data[:start] + data[max(0, start - dice.randint(1, 400)) :]


@settings(max_examples=200)
@given(
    st.sampled_from(VALID),
    st.integers(0, 2**32),
    st.lists(st.sampled_from([flip, cut, repeat]), min_size=1, max_size=3),
)
def test_damage_gives_a_picture_or_an_image_error(
    data: bytes, seed: int, damages: list[Callable[[bytes, random.Random], bytes]]
) -> None:
    dice = random.Random(seed)
    for damage in damages:
        data = damage(data, dice) or b"\0"
    with suppress(ImageError):
        assert all(picture.pixels.size for picture in open_frames(data, limits=SMALL))
