"""What a file is, by its bytes: camera raw and videos are named, never read for their thumbnail."""

import base64
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus import encoded, noisy, scene, tiff
from numpy.typing import NDArray
from PIL import Image

from expllm.core.errors import ImageError
from expllm.files import formats
from expllm.files import tiff as directories
from expllm.files.images import open_image

ISO = {
    "CR3": (b"crx ", b"isom"),
    "HEIC": (b"heic", b"mif1"),
    "HEIC by a later brand": (b"mif1", b"miaf", b"heic"),
    "AVIF by a later brand": (b"mif1", b"miaf", b"avif"),
    "MP4": (b"isom", b"mp42"),
    "QuickTime": (b"qt  ",),
    "3GP": (b"3gp5",),
}


def iso(major: bytes, *others: bytes) -> bytes:
    """The first box of an ISO media file, and some bytes behind it."""
    body = b"ftyp" + major + bytes(4) + major + b"".join(others)
    return struct.pack(">I", len(body) + 4) + body + bytes(99)


def photograph(photo: NDArray[np.uint8], **tags: object) -> bytes:
    """A TIFF of 160 x 120 as cameras put it first into a raw file."""
    small = Image.fromarray(photo).resize((160, 120))
    return encoded(small, "TIFF", tiffinfo=tags.get("tags", {}))


def nikon(photo: NDArray[np.uint8], **sensor: int) -> bytes:
    """A TIFF whose first directory is a thumbnail, above one that says what the sensor gave."""
    thumbnail = bytearray(photograph(photo, tags={254: 1, 330: 0}))
    part = len(thumbnail)
    below = tiff([(int(tag[1:]), 4, 1, value) for tag, value in sensor.items()])[8:]
    (page,) = directories.pages(bytes(thumbnail))
    assert page.tags[330] == (0,)
    first = struct.unpack_from("<I", thumbnail, 4)[0]
    for entry in range(first + 2, first + 2 + 12 * struct.unpack_from("<H", thumbnail, first)[0], 12):
        if struct.unpack_from("<H", thumbnail, entry)[0] == 330:
            struct.pack_into("<HII", thumbnail, entry + 2, 4, 1, part)
    return bytes(thumbnail) + below


RAW_STARTS = {
    "cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(64),
    "cr3": iso(*ISO["CR3"]),
    "crw": b"II\x1a\0\0\0HEAPCCDR" + bytes(64),
    "orf": b"IIRO\x08\0\0\0" + bytes(64),
    "rw2": b"IIU\0\x18\0\0\0" + bytes(64),
    "raf": b"FUJIFILMCCD-RAW 0201" + bytes(64),
    "x3f": b"FOVb" + bytes(64),
    "mrw": b"\0MRM" + bytes(64),
}


@pytest.mark.parametrize("suffix", RAW_STARTS)
def test_camera_raw_is_told_by_its_first_bytes(suffix: str) -> None:
    with pytest.raises(ImageError, match=r"^photo\.jpg: camera raw: develop it first"):
        open_image(RAW_STARTS[suffix], name="photo.jpg")  # whatever it is called


@pytest.mark.parametrize(
    "sensor",
    [{"_262": 32803}, {"_262": 34892}, {"_259": 34713}, {"_259": 32767}, {"_259": 65535}, {"_33421": 2}],
    ids=str,
)
def test_a_raw_file_that_is_a_tiff_is_not_read_for_its_thumbnail(
    astronaut: NDArray[np.uint8], sensor: dict[str, int]
) -> None:
    with pytest.raises(ImageError, match="camera raw: develop it first"):
        open_image(nikon(astronaut, **sensor), name="photo.tif")


def test_a_thumbnail_above_an_unknown_part_is_not_read_either(astronaut: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match="camera raw"):
        open_image(nikon(astronaut, _262=2), name="photo.tif")


def test_a_dng_is_camera_raw_and_the_same_without_its_tag_a_picture(astronaut: NDArray[np.uint8]) -> None:
    dng = photograph(astronaut, tags={50706: b"\1\4\0\0"})
    with pytest.raises(ImageError, match=r"photo\.dng: camera raw: develop it first .*JPEG or TIFF"):
        open_image(dng, name="photo.dng")
    assert open_image(photograph(astronaut)).full_size == (160, 120)


def test_a_tiff_with_a_raw_suffix_is_camera_raw_and_a_jpeg_with_one_is_a_jpeg(tmp_path: Path) -> None:
    (tmp_path / "a.nef").write_bytes(encoded(scene(), "TIFF"))
    (tmp_path / "b.nef").write_bytes(encoded(scene(), "JPEG"))
    with pytest.raises(ImageError, match="camera raw"):
        open_image(tmp_path / "a.nef")
    assert open_image(tmp_path / "b.nef").full_size == (48, 32)


@pytest.mark.parametrize(
    "data",
    [
        iso(*ISO["MP4"]),
        iso(*ISO["QuickTime"]),
        iso(*ISO["3GP"]),
        b"\0\0\0\x08wide\0\0\1\0mdat" + bytes(64),
        b"\x1aE\xdf\xa3" + bytes(64),
        b"RIFF\0\0\1\0AVI LIST" + bytes(64),
        b"FLV\1\5" + bytes(64),
        b"OggS" + bytes(24) + b"\x80theora" + bytes(64),
        b"\0\0\1\xba" + bytes(64),
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(64),
        (b"G" + bytes(187)) * 4,
        (b"\0\0\0\0G" + bytes(187)) * 4,
    ],
    ids="mp4 mov 3gp old-mov mkv avi flv ogg mpeg wmv ts m2ts".split(),
)
def test_a_video_comes_with_the_command_that_takes_pictures_out_of_it(data: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(data, name="my clip.mp4")
    assert str(caught.value).startswith("my clip.mp4: is a video: ")
    assert "ffmpeg -i 'my clip.mp4'" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "BMW and other makes of cars, a list", "the moov atom stands behind", "the wide world of sports",
        "MMORPG players, by name and age", "OggS is how a page begins", "GIF89a is how a picture begins",
        "IIRO and IIRS are marks of Olympus", "G" * 500,
    ],
)  # fmt: skip
def test_words_that_begin_like_a_picture_or_video_are_text(text: str) -> None:
    assert formats.file_kind(text.encode()) == "text"


def test_sound_is_not_a_video() -> None:
    assert formats.file_kind(iso(b"M4A ", b"mp42")) == "sound"
    assert formats.file_kind(b"OggS" + bytes(24) + b"OpusHead" + bytes(64)) == "sound"
    assert "sound" not in formats.UNREAD


def test_kinds_of_iso_files() -> None:
    kinds = {name: formats.file_kind(iso(*brands)) for name, brands in ISO.items()}
    assert kinds == {
        "CR3": "camera raw",
        "HEIC": "HEIC",
        "HEIC by a later brand": "HEIC",
        "AVIF by a later brand": "AVIF",
        "MP4": "video",
        "QuickTime": "video",
        "3GP": "video",
    }


@pytest.fixture
def without_pillow_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it had never been installed: importing it fails."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pillow_heif"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


def heic(image: Image.Image) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    return encoded(image, "HEIF", quality=90, enc_params={"x265:pools": "none", "preset": "ultrafast"})


def test_heic_and_avif_are_read(astronaut: NDArray[np.uint8]) -> None:
    photo = Image.fromarray(astronaut).crop((96, 0, 352, 256))
    for data in (heic(photo), encoded(photo, "AVIF", quality=90)):
        opened = open_image(data, analysis_side=128)
        assert opened.full_size == photo.size
        small = np.asarray(photo.resize((128, 128)), np.int16)
        assert np.abs(opened.pixels - small).mean() < 6


def test_a_heic_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    opened = open_image(encoded(noisy(64, 32), "HEIF", exif=exif.tobytes()))
    assert opened.full_size == (32, 64)


@pytest.mark.usefixtures("without_pillow_heif")
def test_heic_without_the_extra_says_what_to_install() -> None:
    data = iso(*ISO["HEIC"])
    with pytest.raises(ImageError, match=r"^a\.heic: HEIC needs .*pip install 'expllm\[heic\]'"):
        open_image(data, name="a.heic")


def test_our_own_pictures_are_known_by_a_text_in_them() -> None:
    ours = encoded(scene(), "PNG", pnginfo=formats.our_mark())
    assert formats.is_our_png(ours[:4096])
    assert not formats.is_our_png(encoded(scene(), "PNG"))


def test_directories_made_to_waste_time_end() -> None:
    pages = 5000
    chain = b"II*\0\x08\0\0\0"
    for number in range(pages):  # each with one tag, leading to the next
        at = 8 + 18 * number
        chain += struct.pack("<HHHII", 1, 254, 4, 1, 0) + struct.pack("<I", at + 18)
    assert len(directories.pages(chain)) == directories.MOST_PAGES
    assert len(directories.pages(tiff([(254, 4, 1, 0)], next_ifd=8))) == 1  # a loop
    assert directories.pages(b"II*\0\xff\xff\xff\x7f" + bytes(16)) == []


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"P5\n# by a camera\n8 8\n255\n" + bytes(64), "Netpbm: PGM, PPM or PBM"),
        (b"P3 2 2 255 " + b"0 " * 12, "Netpbm"),
        (b"P7\nWIDTH 8\nHEIGHT 8\n", "Netpbm"),
        (b"v/1\1" + bytes(64), "OpenEXR"),
        (b"#?RADIANCE\n", "high dynamic range"),
        (b"icns" + bytes(64), "icon"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(64), "archive: unpack it first"),
        (b"\x1f\x8b\x08" + bytes(64), "archive: unpack it first"),
        (bytes(4096), "nothing but zeros: copy or download it again"),
        (base64.b64encode(encoded(scene(), "JPEG")), "Base64 text: decode it first"),
        (b"data:image/png;base64," + base64.b64encode(encoded(scene(), "PNG")), "Base64 text: decode it"),
    ],
)  # fmt: skip
def test_what_else_lies_among_pictures_is_named(data: bytes, told: str) -> None:
    with pytest.raises(ImageError, match=re.escape(told)):
        open_image(data, name="a.jpg")


def test_words_are_no_picture_of_numbers() -> None:
    assert formats.file_kind(b"P5 and P6 are what they were called by") == "text"
    assert formats.file_kind(b"iVBORw0KGgo is how a PNG begins in Base64, says the text.") == "text"
