"""Open a picture that nobody vouches for: any of six formats, one way out for every error.

A picture may come from a path, bytes, a NumPy array, a Pillow image or, where the caller allows it,
a URL. It leaves as upright sRGB pixels, or as one [`ImageError`][expllm.errors.ImageError] that names it.

This module reads, checks and names; `expllm.pixels` makes the pixels, `expllm.fetch` downloads.
NumPy and Pillow are imported when the first picture is opened: `expllm --help` needs neither.
"""

import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING, TypeAlias, Union

from expllm.errors import ImageError, UsageError, one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

# A Union of names, not `|`: it exists at run time without loading NumPy or Pillow.
ImageSource: TypeAlias = Union[str, os.PathLike[str], bytes, "NDArray[np.uint8]", "Image.Image"]

_PLUGINS = {  # the only formats that Pillow may try, and the module that reads each
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "TIFF": "TiffImagePlugin",
}
_SIGNATURES: tuple[tuple[int, tuple[bytes, ...], str], ...] = (  # offset, any of these bytes, what it is
    (0, (b"\xff\xd8\xff",), "JPEG"),
    (0, (b"\x89PNG\r\n\x1a\n",), "PNG"),
    (0, (b"GIF87a", b"GIF89a"), "GIF"),
    (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    (8, (b"WEBP",), "WEBP"),
    (0, (b"BM",), "BMP"),
    (4, (b"ftypavif", b"ftypavis"), "AVIF"),
    (4, (b"ftyphe", b"ftypmif1", b"ftypmsf1"), "HEIC"),
    (4, (b"ftyp", b"moov", b"mdat"), "MP4 or MOV video"),
    (0, (b"\x1aE\xdf\xa3",), "Matroska or WebM video"),
    (8, (b"AVI ",), "AVI video"),
    (0, (b"%PDF",), "PDF"),
    (0, (b"%!PS", b"\xc5\xd0\xd3\xc6"), "PostScript"),
    (0, (b"8BPS",), "Photoshop file"),
    (0, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL ", b"\xff\x0a"), "JPEG 2000 or JPEG XL"),
    (0, (b"\0\0\1\0",), "icon"),
    (0, (b"PK\3\4", b"\x1f\x8b"), "ZIP or gzip archive"),
    (0, (b"\x93NUMPY",), "NumPy array file"),
    (128, (b"DICM",), "DICOM"),
    (0, (b"version https://git-lfs",), "Git LFS pointer, not the file itself: run `git lfs pull`"),
)
_CUT_SHORT = re.compile(r"truncat|unexpected end|not enough|EOF|not large enough|unpack", re.I)
_LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";"}
_MAX_SCANS = 100  # a progressive JPEG has about ten; each one is a pass over the whole picture


@dataclass(frozen=True)
class ImageLimits:
    """How much a picture may cost. Bytes and pixels are checked before anything is decoded.

    Above 178,956,970 pixels Pillow itself refuses, whatever `max_pixels` says.
    `timeout_s` is the time in seconds for a whole download, redirects included.
    """

    max_bytes: int = 100 * 2**20
    max_pixels: int = 100_000_000
    timeout_s: float = 20.0
    max_redirects: int = 5


_DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True, eq=False)  # by identity: comparing arrays gives no bool
class Picture:
    """One upright picture, ready for analysis.

    Attributes:
        pixels: uint8 `[H, W, 3]`, sRGB, C-contiguous, read-only (`.copy()` it to draw on it).
        name: how to speak of the picture in messages and tables: its path, its URL, `<bytes>`, ...
        full_size: (width, height) of the upright picture before any reduction.
    """

    pixels: "NDArray[np.uint8]"
    name: str
    full_size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Full-size pixels per analysis pixel along the longer side, where rounding matters least."""
        return self.scale_x if self.full_size[0] >= self.full_size[1] else self.scale_y

    @property
    def scale_x(self) -> float:
        """Multiply an analysis x by this to get the x in the full-size picture."""
        return self.full_size[0] / int(self.pixels.shape[1])

    @property
    def scale_y(self) -> float:
        """Multiply an analysis y by this to get the y in the full-size picture."""
        return self.full_size[1] / int(self.pixels.shape[0])


def open_image(
    source: ImageSource,
    *,
    name: str | None = None,
    analysis_side: int | None = 960,
    limits: ImageLimits = _DEFAULT_LIMITS,
    allow_url: bool = False,
) -> Picture:
    """Open `source` as an upright RGB [`Picture`][expllm.images.Picture].

    Args:
        source: a path, an http(s) URL (with `allow_url`), the bytes of an image file, a uint8 RGB
            array `[H, W, 3]` or a Pillow image (which is not modified).
        name: how messages call the picture; by default its path, its URL, `<bytes>`, ...
        analysis_side: longest side of the result in pixels; smaller pictures stay. None: full size.
        limits: the most bytes, pixels and seconds that it may cost.
        allow_url: whether a string that is a URL may be downloaded.

    Raises:
        ImageError: the picture cannot be read, is too large, or is not a picture. Nothing else is
            raised for any content of a file.
        UsageError: `analysis_side` is not positive.
    """
    if analysis_side is not None and analysis_side < 1:
        raise UsageError(f"analysis_side is {analysis_side}: give at least 1 pixel, or None for full size")
    import numpy as np
    from PIL import Image

    if isinstance(source, np.ndarray):
        return _from_array(source, _label(name or "<array>"), analysis_side)
    if isinstance(source, Image.Image):
        label = _label(name or os.fsdecode(getattr(source, "filename", None) or "") or "<image>")
        with _one_error(label, "image", b""):
            return _picture(source, label, analysis_side, limits)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(bytes(source), _label(name or "<bytes>"), analysis_side, limits)
    if not isinstance(source, str | os.PathLike):
        raise ImageError(f"{type(source).__name__} is no picture: give a path, bytes or an array")
    path = os.fsdecode(source)
    if isinstance(source, str) and re.match(r"data:|[a-z][a-z0-9+.-]+://", path, re.I):
        data, shown = _download(path, limits, allow_url)
        return _decode(data, _label(name or shown), analysis_side, limits)
    label = _label(name or path)
    return _decode(_read_file(path, label, limits), label, analysis_side, limits)


def read_stream(stream: IO[bytes], name: str, limits: ImageLimits = _DEFAULT_LIMITS) -> bytes:
    """Everything that `stream` (standard input, an upload) holds, if that is at most `limits.max_bytes`."""
    try:
        data = stream.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:
        raise ImageError(f"{name}: cannot be read ({_reason(error)})") from error
    _check_bytes(len(data), name, limits)
    return data


def _label(name: str) -> str:
    shown = one_line(name)
    return shown if len(shown) <= 300 else f"{shown[:150]}…{shown[-149:]}"


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(str(text))[:200]


def _check_bytes(size: int, name: str, limits: ImageLimits) -> None:
    if size > limits.max_bytes:
        raise ImageError(f"{name}: too large: more than {limits.max_bytes:,} bytes; make it smaller first")


def _download(url: str, limits: ImageLimits, allow: bool) -> tuple[bytes, str]:
    from expllm import fetch  # late: it loads the network modules

    shown = _label(fetch.without_login(url))
    if not allow:
        raise ImageError(f"{shown[:60]}: is a URL, and this call opens none: download it and give the file")
    return fetch.fetch(url, limits.max_bytes, limits.timeout_s, limits.max_redirects), shown


def _read_file(path: str, name: str, limits: ImageLimits) -> bytes:
    """The bytes of a regular file. Read whole: a mapped file that another process cuts would kill us."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # before open(): opening a device can act on it
            what = "a folder" if os.path.isdir(path) else "not a regular file"
            raise ImageError(f"{name}: is {what}: give the path of a picture")
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags | getattr(os, "O_CLOEXEC", 0)), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):  # swapped since stat(); O_NONBLOCK: a FIFO cannot hang us
                raise ImageError(f"{name}: is not a regular file: give the path of a picture")
            _check_bytes(found.st_size, name, limits)
            return read_stream(file, name, limits)
    except FileNotFoundError as error:
        raise ImageError(f"{name}: no such file: check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in the path
        raise ImageError(f"{name}: cannot be opened ({_reason(error)})") from error


def _kind(data: bytes) -> str:
    """What the first bytes say: a format of `_PLUGINS`, or words for a person."""
    for offset, marks, kind in _SIGNATURES:
        if data.startswith(marks, offset):
            return kind
    head = data[:1024].decode("utf-8-sig", "ignore")
    text = head.strip().lower()
    if "<svg" in text:
        return "SVG drawing"
    if text.startswith(("<!doctype html", "<html")):
        return "web page"
    readable = len(head.encode()) >= min(len(data), 1024) - 6  # less a mark in front, a letter cut at the end
    return "text" if readable and len(data) > 6 and "".join(text.split()).isprintable() else "unknown format"


def _from_array(array: "NDArray[np.uint8]", name: str, side: int | None) -> Picture:
    from expllm.pixels import shrink_array

    if array.ndim != 3 or array.shape[2] != 3 or array.dtype.name != "uint8" or array.size == 0:
        found = f"{array.dtype.name} {list(array.shape)}"
        raise ImageError(f"{name}: is {found}: give a uint8 RGB array of shape [height, width, 3]")
    return Picture(shrink_array(array, side), name, (int(array.shape[1]), int(array.shape[0])))


def _picture(
    image: "Image.Image", name: str, side: int | None, limits: ImageLimits, *, own: bool = False
) -> Picture:
    from expllm.pixels import check_cost, upright_rgb

    if problem := check_cost(image, limits.max_pixels):
        raise ImageError(f"{name}: too large: {problem}; make it smaller first")
    pixels, full_size = upright_rgb(image, side, own=own)
    return Picture(pixels, name, full_size)


def _decode(data: bytes, name: str, side: int | None, limits: ImageLimits) -> Picture:
    from PIL import Image

    _check_bytes(len(data), name, limits)
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes): copy or download it again")
    kind = _kind(data)
    if kind not in _PLUGINS:
        raise ImageError(
            f"{name}: not a supported picture format ({kind}): give JPEG, PNG, WebP, TIFF, BMP, GIF"
        )
    if kind == "JPEG" and data.count(b"\xff\xda") > _MAX_SCANS:
        raise ImageError(f"{name}: too large: a JPEG of more than {_MAX_SCANS} scans; save it again")
    with _one_error(name, kind, data):
        import_module(f"PIL.{_PLUGINS[kind]}")  # else Pillow loads all of its forty formats for TIFF and WebP
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            return _picture(image, name, side, limits, own=True)


@contextmanager
def _one_error(name: str, kind: str, data: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises into one ImageError; on damaged files it raises some twenty types."""
    from PIL import Image, UnidentifiedImageError

    from expllm.pixels import quiet

    try:
        with quiet():
            yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # Pillow's own; we never change it
        raise ImageError(f"{name}: too large: more than {limit:,} pixels; make it smaller first") from error
    except MemoryError as error:
        raise ImageError(f"{name}: too large: more than the memory left; make it smaller") from error
    except Exception as error:
        if _is_cut_short(kind, data, error):
            message = "cut short: the file ends before the picture does; copy or download it again"
        elif isinstance(error, UnidentifiedImageError):
            message = f"broken {kind} file (its header makes no sense); save it again in a picture editor"
        else:
            message = f"broken {kind} file ({_reason(error)}); save it again in a picture editor"
        raise ImageError(f"{name}: {message}") from error


def _is_cut_short(kind: str, data: bytes, error: Exception) -> bool:
    if kind == "WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return True
    if kind == "TIFF" and int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") >= len(data):
        return True  # its directory, which most programs write last
    ending = _LAST_BYTES.get(kind)
    return bool(_CUT_SHORT.search(str(error))) or (ending is not None and ending not in data[-1024:])
