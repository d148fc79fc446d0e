"""Open a picture that nobody vouches for: any of eight formats, one way out for every error.

A picture may come from a path, bytes, a NumPy array, a Pillow image or, where the caller allows it,
a URL. It leaves as upright sRGB pixels, or as one
[`ImageError`][expllm.core.errors.ImageError] that names it.

This module reads, checks and names; `formats` tells formats apart, `frames` chooses frames,
`pixels` makes the pixels, `download` downloads.
NumPy and Pillow are imported when the first picture is opened: `expllm --help` needs neither.
"""

import io
import os
import re
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, TypeAlias, Union

from expllm.core.errors import ImageError, UsageError, one_line
from expllm.files import formats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

# A Union of names, not `|`: it exists at run time without loading NumPy or Pillow.
ImageSource: TypeAlias = Union[str, os.PathLike[str], bytes, "NDArray[np.uint8]", "Image.Image"]

_CUT_SHORT = re.compile(r"truncat|unexpected end|not enough|EOF|not large enough|unpack", re.I)
_LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";"}
_ADDRESS = re.compile(r"data:|[a-z][a-z0-9+.-]+://", re.I)
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
        frame: which frame or page of the file it is, from 1.
        frames: how many frames or pages the file has.
        word: what one of them is called: `frame` or `page`.
        reopen: opens the same frame with another `analysis_side`; None where there is nothing more to see.
    """

    pixels: "NDArray[np.uint8]"
    name: str
    full_size: tuple[int, int]
    frame: int = 1
    frames: int = 1
    word: str = "frame"
    reopen: "Callable[[int | None], Picture] | None" = field(default=None, repr=False)

    def larger(self, side: int | None = None) -> "Picture":
        """The same picture with a longer side of at most `side` pixels; in full size when None.

        Itself where that would be no larger.

        Raises:
            ImageError: the source cannot be read again.
        """
        longest = max(self.full_size)
        wanted = longest if side is None else min(side, longest)
        if self.reopen is None or wanted <= max(self.pixels.shape[:2]):
            return self
        return replace(self.reopen(wanted), name=self.name)

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
    frame: int = 1,
) -> Picture:
    """Open `source` as an upright RGB [`Picture`][expllm.files.images.Picture].

    Args:
        source: a path, an http(s) URL (with `allow_url`), the bytes of an image file, a uint8 RGB
            array `[H, W, 3]` or a Pillow image (which is not modified).
        name: how messages call the picture; by default its path, its URL, `<bytes>`, ...
        analysis_side: longest side of the result in pixels; smaller pictures stay. None: full size.
        limits: the most bytes, pixels and seconds that it may cost.
        allow_url: whether a string that is a URL may be downloaded.
        frame: which frame or page of an animated picture or document, from 1.

    Raises:
        ImageError: the picture cannot be read, is too large, or is not a picture. Nothing else is
            raised for any content of a file.
        UsageError: `analysis_side` is not positive.
    """
    with closing(
        open_frames(
            source, name=name, analysis_side=analysis_side, limits=limits, allow_url=allow_url, only=frame
        )
    ) as pictures:
        return next(pictures)


def open_frames(
    source: ImageSource,
    *,
    name: str | None = None,
    analysis_side: int | None = 960,
    limits: ImageLimits = _DEFAULT_LIMITS,
    allow_url: bool = False,
    only: int | None = None,
) -> Generator[Picture, None, None]:
    """The frames or pages of `source` that are worth a look, in order, each decoded when it is asked for.

    Almost every picture has one. Of more than `frames.TRIED`, so many are taken, spread over all of them. A
    frame that cannot be read ends them, unless it is the first.

    Args:
        source, name, analysis_side, limits, allow_url: as for [`open_image`][expllm.files.images.open_image].
        only: one frame alone, from 1.

    Raises:
        ImageError, UsageError: as `open_image`.
    """
    if analysis_side is not None and analysis_side < 1:
        raise UsageError(f"analysis_side is {analysis_side}: give at least 1 pixel, or None for full size")
    import numpy as np
    from PIL import Image

    if isinstance(source, np.ndarray):
        frames = iter([_from_array(source, _label(name or "<array>"), analysis_side)])
    elif isinstance(source, Image.Image):
        label = _label(name or os.fsdecode(getattr(source, "filename", None) or "") or "<image>")
        with _one_error(label, "image", b""):
            frames = iter([_picture(source, label, analysis_side, limits)])
    else:
        source, name = _downloaded(source, name, limits, allow_url)
        data, label = _file_of(source, name, limits)
        frames = _decode(data, label, analysis_side, limits, only)

    def again(frame: int) -> Callable[[int | None], Picture]:
        return lambda side: open_image(source, name=name, analysis_side=side, limits=limits, frame=frame)

    for picture in frames:
        seen_whole = max(picture.full_size) <= max(picture.pixels.shape[:2])
        yield picture if seen_whole else replace(picture, reopen=again(picture.frame))


def _downloaded(
    source: ImageSource, name: str | None, limits: ImageLimits, allow_url: bool
) -> tuple[ImageSource, str | None]:
    """The bytes in place of an address, so that opening it once more does not fetch it again."""
    if isinstance(source, str) and _ADDRESS.match(source):
        data, shown = _download(source, limits, allow_url)
        return data, name or shown
    return source, name


def _file_of(source: object, name: str | None, limits: ImageLimits) -> tuple[bytes, str]:
    """The bytes of an image file, and what messages call it."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), _label(name or "<bytes>")
    if not isinstance(source, str | os.PathLike):
        raise ImageError(f"{type(source).__name__} is no picture: give a path, bytes or an array")
    path = os.fsdecode(source)
    label = _label(name or path)
    return _read_file(path, label, limits), label


def upright_size(path: "str | os.PathLike[str]") -> tuple[int, int]:
    """Width and height of an upright picture; only the beginning of its file is read.

    Raises:
        ImageError: it cannot be read, or is not a picture.
    """
    from PIL import Image

    name = _label(os.fsdecode(path))
    head = formats.first_bytes(os.fspath(path))
    kind = formats.file_kind(head, name)
    plugin = formats.load_plugin(kind) if kind in formats.PLUGINS else None
    if plugin is None:
        what = formats.advice(kind, name) if head else "cannot be read, or is empty"
        raise ImageError(f"{name}: {what}")
    from expllm.files.pixels import upright_size_of

    with _one_error(name, kind, head), Image.open(path, formats=(plugin,)) as image:
        return upright_size_of(image)


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
    from expllm.files import download  # late: it loads the network modules

    shown = _label(download.without_login(url))
    if not allow:
        raise ImageError(f"{shown[:60]}: is a URL, and this call opens none: download it and give the file")
    return download.fetch_url(url, limits.max_bytes, limits.timeout_s, limits.max_redirects), shown


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


def _from_array(array: "NDArray[np.uint8]", name: str, side: int | None) -> Picture:
    from expllm.files.pixels import shrink_array

    if array.ndim != 3 or array.shape[2] != 3 or array.dtype.name != "uint8" or array.size == 0:
        found = f"{array.dtype.name} {list(array.shape)}"
        raise ImageError(f"{name}: is {found}: give a uint8 RGB array of shape [height, width, 3]")
    return Picture(shrink_array(array, side), name, (int(array.shape[1]), int(array.shape[0])))


def _picture(
    image: "Image.Image", name: str, side: int | None, limits: ImageLimits, *, own: bool = False
) -> Picture:
    from expllm.files.pixels import check_cost, upright_rgb

    if problem := check_cost(image, limits.max_pixels):
        raise ImageError(f"{name}: too large: {problem}; make it smaller first")
    pixels, full_size = upright_rgb(image, side, own=own)
    return Picture(pixels, name, full_size)


def _decode(
    data: bytes, name: str, side: int | None, limits: ImageLimits, only: int | None
) -> Generator[Picture, None, None]:
    from PIL import Image

    from expllm.files.frames import frames_of

    kind, plugin = _readable(data, name, limits)
    with _one_error(name, kind, data):
        image = Image.open(io.BytesIO(data), formats=(plugin,))
    with image:
        with _one_error(name, kind, data):
            frames = frames_of(image, kind, data)
        tried = frames.tried if only is None else (only - 1,)
        for place in tried:
            try:
                with _one_error(name, kind, data):
                    image.seek(place)
                    picture = _picture(image, name, side, limits, own=True)
            except ImageError:
                if place == tried[0]:
                    raise
                return
            yield replace(picture, frame=place + 1, frames=frames.total, word=frames.word)


def _readable(data: bytes, name: str, limits: ImageLimits) -> tuple[str, str]:
    """The format, and Pillow's name for it, once it is known that Pillow may try it."""
    _check_bytes(len(data), name, limits)
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes): copy or download it again")
    kind = formats.file_kind(data, name)
    plugin = formats.load_plugin(kind) if kind in formats.PLUGINS else None
    if plugin is None:
        raise ImageError(f"{name}: {formats.advice(kind, name)}")
    if kind == "JPEG" and data.count(b"\xff\xda") > _MAX_SCANS:
        raise ImageError(f"{name}: too large: a JPEG of more than {_MAX_SCANS} scans; save it again")
    return kind, plugin


@contextmanager
def _one_error(name: str, kind: str, data: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises into one ImageError; on damaged files it raises some twenty types."""
    from PIL import Image, UnidentifiedImageError

    from expllm.files.pixels import quiet

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
