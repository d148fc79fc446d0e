"""From a Pillow image, header read, to upright sRGB pixels of bounded size.

Decisions that the pixels depend on:

* A large JPEG is brought down by 2, 4 or 8 *while* it is decoded, and every large picture is then
  resized to exactly the side that was asked for, so that coordinates mean the same for every format.
  On faces this moves MediaPipe's landmarks as much as changing each pixel by one grey level does.
* Transparency lies over white. EXIF orientation is applied; EXIF that cannot be read counts as absent.
* An embedded ICC profile that is not sRGB is converted to sRGB, after the reduction, so that it costs
  milliseconds; a profile that is broken or belongs to another colour space is ignored.
* 16-bit grey is divided by 257, never clipped.
"""

import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Pillow logs some errors besides raising them; without any handler Python would print them to stderr
logging.getLogger("PIL").addHandler(logging.NullHandler())

_Pixels = NDArray[np.uint8]  # [H, W, 3], RGB

_MAX_RLE_PIXELS = 2_100_000  # Full HD. Pillow unpacks run-length BMP in Python: 1 s a megapixel at worst
_ORIENTATION = 0x0112  # the EXIF tag
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height


def check_cost(image: Image.Image, max_pixels: int) -> str | None:
    """Why decoding `image` would cost too much, judged by its header alone; None if it would not."""
    width, height = image.size
    if width * height > max_pixels:
        return f"{width} x {height} is more than {max_pixels:,} pixels"
    tags: Any = getattr(image, "tag_v2", {})  # TIFF
    tile = [int(tags.get(tag) or 0) for tag in (322, 323)]
    if tile[0] * tile[1] > max_pixels:
        return f"tiles of {tile[0]} x {tile[1]} are more than {max_pixels:,} pixels"
    if image.format == "BMP" and image.info.get("compression") in (1, 2) and width * height > _MAX_RLE_PIXELS:
        return f"a run-length BMP of {width} x {height} is more than {_MAX_RLE_PIXELS:,} pixels"
    return None


def upright_rgb(image: Image.Image, side: int | None, *, own: bool) -> tuple[_Pixels, tuple[int, int]]:
    """Decode `image` to read-only RGB whose longer side is at most `side`, and its full upright size.

    With `own` the image may be modified, which lets a JPEG decode at a fraction of its size.
    """
    full_size, target = image.size, fitted(image.size, side)
    reducible = own and image.format in ("JPEG", "MPO")  # a HEIC would give its thumbnail instead
    drafted = image.draft(None, target) if reducible and target != full_size else None
    image.load()
    orientation = _orientation(image)
    profile = image.info.get("icc_profile")
    eight = _eight_bit(image)
    box = drafted[1] if drafted else None  # in drafted pixels, fractional: the edge block may be partial
    if eight.size != target:
        eight = eight.resize(target, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    rgb = _srgb(eight, profile)
    if orientation in _TURN:
        rgb = rgb.transpose(_TURN[orientation])
    if orientation in _SIDEWAYS:
        full_size = full_size[::-1]
    return np.asarray(rgb), full_size


def upright_size_of(image: Image.Image) -> tuple[int, int]:
    """Width and height of `image` as it is shown; nothing is decoded."""
    return image.size[::-1] if _orientation(image) in _SIDEWAYS else image.size


def shrink_array(array: _Pixels, side: int | None) -> _Pixels:
    """A read-only view of uint8 `[H, W, 3]`, or a smaller copy when its longer side exceeds `side`."""
    height, width = array.shape[:2]
    target = fitted((width, height), side)
    if target != (width, height):
        small = Image.fromarray(np.ascontiguousarray(array))
        return np.asarray(small.resize(target, Image.Resampling.BICUBIC, reducing_gap=2.0))
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def fitted(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """(width, height) brought down so that the longer one is `side`; unchanged if it is not larger.

    >>> fitted((4000, 3000), 960), fitted((1, 65000), 960), fitted((640, 480), 960)
    ((960, 720), (1, 960), (640, 480))
    """
    longest = max(size)
    if side is None or longest <= side:
        return size
    return max(1, round(size[0] * side / longest)), max(1, round(size[1] * side / longest))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF is a program of offsets that anyone may have written: none is better than wrong
        return 1
    return value if isinstance(value, int) else 1


def _eight_bit(image: Image.Image) -> Image.Image:
    """`image` in a mode that can be resized: L, RGB, CMYK or YCbCr."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_wide(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        if image.mode == "La":
            image = image.convert("LA")  # the only way out of this mode
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        over = Image.new("RGB", image.size, "white")
        over.paste(rgba, mask=rgba)
        return over
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB", "CMYK", "YCbCr") else image.convert("RGB")


def _from_wide(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, 32 bits or floats as 8 bits.

    16 bits are divided by 257. The wider kinds do not say what white is, so it is the smallest of
    1 (floats), 255, 65535 and the largest value that leaves nothing brighter than white.
    """
    values: NDArray[Any] = np.asarray(image)
    if values.dtype.itemsize == 2:
        table = ((np.arange(65536) + 128) // 257).astype(np.uint8)
        grey = table[values]
        if isinstance(clear := image.info.get("transparency"), int):
            grey[values == clear] = 255  # transparent lies over white
        return Image.fromarray(grey)
    light = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    brightest = float(light.max())
    whites = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((level for level in whites if brightest <= level), brightest)
    return Image.fromarray((light * (255.0 / white)).clip(0, 255).round().astype(np.uint8))


def _srgb(image: Image.Image, profile: object) -> Image.Image:
    if image.mode == "YCbCr":
        image = image.convert("RGB")
    if not isinstance(profile, bytes) or not profile:
        return image if image.mode == "RGB" else image.convert("RGB")
    from PIL import ImageCms  # late: few pictures carry a profile

    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" not in (found.profile.profile_description or ""):
            converted = ImageCms.profileToProfile(
                image, found, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return converted or image.convert("RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        pass  # broken, or of another colour space: the picture itself is still good
    return image if image.mode == "RGB" else image.convert("RGB")


_quiet_lock = threading.Lock()
_quiet_users = 0
_quiet_stack = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings of Pillow while any thread decodes.

    `warnings.catch_warnings` alone is not thread-safe: two threads that leave in the wrong order would
    restore each other's filters. So the first one in sets the filter and the last one out restores it.
    """
    global _quiet_users  # noqa: PLW0603
    with _quiet_lock:
        _quiet_users += 1
        if _quiet_users == 1:
            _quiet_stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_users -= 1
            if _quiet_users == 0:
                _quiet_stack.close()
