"""What a file is, told by its bytes: a picture, or what else, and what to do then."""

import os
import re
import shlex
import stat
from importlib import import_module
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from expllm.files import tiff

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

PLUGINS: Final = MappingProxyType(
    {
        "JPEG": "PIL.JpegImagePlugin",
        "PNG": "PIL.PngImagePlugin",
        "WEBP": "PIL.WebPImagePlugin",
        "GIF": "PIL.GifImagePlugin",
        "BMP": "PIL.BmpImagePlugin",
        "TIFF": "PIL.TiffImagePlugin",
        "AVIF": "PIL.AvifImagePlugin",
        "HEIC": "pillow_heif.HeifImagePlugin",
    }
)
"""The only formats that Pillow may try, and the module that reads each. HEIC is the extra `heic`."""

VIDEO_KIND: Final = "video"
CAMERA_RAW: Final = "camera raw"
SOUND: Final = "sound"
_PHOTOSHOP, _JPEG_2000, _DICOM = "Photoshop file", "JPEG 2000 or JPEG XL", "DICOM"
_PACKED: Final = "archive: unpack it first"
_NETPBM, _WIDE_RANGE = "Netpbm: PGM, PPM or PBM", "high dynamic range: OpenEXR or Radiance"
UNREAD: Final = frozenset((VIDEO_KIND, CAMERA_RAW, _PHOTOSHOP, _JPEG_2000, _DICOM, _NETPBM, _WIDE_RANGE))
"""What shows faces and is not read here: where a folder holds one, it is named as an error."""

_SIGNATURES: Final[
    tuple[tuple[int, tuple[bytes, ...], str], ...]
] = (  # offset, any of these bytes, what it is
    (0, (b"\xff\xd8\xff",), "JPEG"),
    (0, (b"\x89PNG\r\n\x1a\n",), "PNG"),
    (0, (b"GIF87a", b"GIF89a"), "GIF"),
    (8, (b"CR\2\0", b"CR\1\0"), CAMERA_RAW),  # Canon's CR2, a TIFF
    (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    (8, (b"WEBP",), "WEBP"),
    (0, (b"BM",), "BMP"),
    (0, (b"IIU\0", b"IIRO", b"IIRS", b"MMOR"), CAMERA_RAW),  # Panasonic, Olympus
    (
        0,
        (b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR"),
        CAMERA_RAW,
    ),  # Sigma, Minolta, Canon
    (4, (b"ftypcrx",), CAMERA_RAW),  # Canon's CR3
    (4, (b"ftypM4A", b"ftypM4B", b"ftypM4P"), SOUND),
    (4, (b"moov", b"mdat", b"wide"), VIDEO_KIND),
    (0, (b"\x1aE\xdf\xa3", b"FLV\1", b"\0\0\1\xba", b"\0\0\1\xb3", b".RMF"), VIDEO_KIND),
    (0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\x06\x0e\x2b\x34\x02\x05\x01\x01"), VIDEO_KIND),  # WMV, MXF
    (8, (b"AVI ",), VIDEO_KIND),
    (0, (b"%PDF",), "PDF"),
    (0, (b"%!PS", b"\xc5\xd0\xd3\xc6"), "PostScript"),
    (0, (b"8BPS",), _PHOTOSHOP),
    (0, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL ", b"\xff\x0a"), _JPEG_2000),
    (0, (b"\0\0\1\0",), "icon"),
    (0, (b"PK\3\4", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\7"), _PACKED),
    (0, (b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"), _PACKED),
    (0, (b"\x93NUMPY",), "NumPy array file"),
    (128, (b"DICM",), _DICOM),
    (0, (b"v/1\1", b"#?RADIANCE", b"#?RGBE"), _WIDE_RANGE),
    (0, (b"icns",), "icon"),
    (0, (b"version https://git-lfs",), "Git LFS pointer, not the file itself: run `git lfs pull`"),
)
_TEXTS: Final = ("PDF", "PostScript", _SIGNATURES[-1][2])
"""Kinds that may be readable from their first byte on."""

_HEIF_BRANDS: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS: Final = frozenset((b"avif", b"avis"))
_RAW_SUFFIXES: Final = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .k25 .kdc .mdc .mef .mos .mrw .nef .nrw .orf "
    ".ori .pef .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
_VIDEO_SUFFIXES: Final = frozenset(
    ".3gp .avi .divx .flv .m2ts .m2v .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .vob .webm .wmv".split()
)
_SUPPORTED: Final = "give JPEG, PNG, WebP, AVIF, HEIC, TIFF, BMP, GIF"
_HEAD: Final = 4096
"""Bytes of a file that tell what it is."""

_NETPBM_HEAD: Final = re.compile(rb"P[1-7]\s(?:#[^\n]*\n|\s)*(?:\d+\s|WIDTH\s)")
_BASE64: Final = re.compile(r"(?:data:[\w/+.;=-]{0,80},)?(?:/9j/|iVBORw0KGgo|UklGR|R0lGOD)[\w+/\s]*=*")
"""A JPEG, PNG, WebP or GIF as a web page or an API hands it out."""

OUR_MARK: Final = MappingProxyType({"Software": "ExpLLM"})
"""A text in every PNG that we draw, so that no later run takes it for a photograph."""


def file_kind(data: bytes, name: str = "") -> str:
    """What a file is: a key of `PLUGINS`, `VIDEO_KIND`, `CAMERA_RAW`, or words for a person.

    Args:
        data: The file, or its first few thousand bytes.
        name: Its name, which tells a camera's raw file where the bytes say only that it is a TIFF.
    """
    if _NETPBM_HEAD.match(data):
        return _NETPBM
    kind = _binary_kind(data, name)
    return _text_kind(data) if kind is None or (kind not in _TEXTS and _is_text(data[:256])) else kind


def _binary_kind(data: bytes, name: str) -> str | None:
    for offset, marks, kind in _SIGNATURES:
        if data.startswith(marks, offset):
            return _tiff_kind(data, name) if kind == "TIFF" else kind
    if data[4:8] == b"ftyp":
        return _iso_kind(data)
    if data.startswith(b"OggS"):
        return VIDEO_KIND if b"theora" in data[:256] or b"\1video" in data[:256] else SOUND
    if data[0:377:188] == b"GGG" or data[4:389:192] == b"GGG":  # MPEG transport stream, that of camcorders
        return VIDEO_KIND
    return VIDEO_KIND if b"\0" in data and PurePath(name).suffix.lower() in _VIDEO_SUFFIXES else None


def _is_text(head: bytes) -> bool:
    """Whether the beginning of a file is words: `BMW` and `the moov` begin like pictures and videos, too."""
    try:
        return len(head) > 16 and "".join(head.decode().split()).isprintable()
    except UnicodeDecodeError:
        return False


def _tiff_kind(data: bytes, name: str) -> str:
    pages = tiff.pages(data)
    # A thumbnail with something below it, and no page: a raw file of a camera that nobody here has met.
    hidden = bool(pages) and not any(page.is_picture for page in pages) and any(page.parts for page in pages)
    raw = PurePath(name).suffix.lower() in _RAW_SUFFIXES or any(page.is_raw for page in pages)
    return CAMERA_RAW if raw or hidden else "TIFF"


def _iso_kind(data: bytes) -> str:
    """AVIF, HEIC or video by the brands in the first box; the first brand alone may say `mif1` only."""
    end = min(int.from_bytes(data[:4]), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]
    for brand in brands:
        if brand in _HEIF_BRANDS or brand in _AVIF_BRANDS:
            return "HEIC" if brand in _HEIF_BRANDS else "AVIF"
    return "HEIC" if brands[0] in (b"mif1", b"msf1") else VIDEO_KIND


def _text_kind(data: bytes) -> str:
    head = data[:1024].decode("utf-8-sig", "ignore")
    text = head.strip().lower()
    if "<svg" in text:
        return "SVG drawing"
    if text.startswith(("<!doctype html", "<html")):
        return "web page"
    if _BASE64.fullmatch(head.strip()):
        return "a picture as Base64 text: decode it first, such as with base64 -d"
    if data and not data.strip(b"\0"):
        return "nothing but zeros: copy or download it again"
    readable = len(head.encode()) >= min(len(data), 1024) - 6  # less a mark in front, a letter cut at the end
    return "text" if readable and len(data) > 6 and "".join(text.split()).isprintable() else "unknown format"


def load_plugin(kind: str) -> str | None:
    """Lets Pillow read a format of `PLUGINS`: its name there, or None if the package that can is missing.

    The module is imported by name: else Pillow would load all of its forty formats for a TIFF or WebP.
    """
    try:
        import_module(PLUGINS[kind])
    except ImportError:
        return None
    from PIL import features

    if kind == "AVIF" and not features.check("avif"):
        return None
    return "HEIF" if kind == "HEIC" else kind


def advice(kind: str, name: str) -> str:
    """What a file of a kind that cannot be read is, and what to do, behind its name and a colon."""
    if kind == VIDEO_KIND:
        quoted = shlex.quote(name) if "<" not in name else "VIDEO"
        return (
            f"is a video: 'expllm video {quoted} -o OUT' explains it over time; for single pictures of it "
            f"mkdir frames && ffmpeg -i {quoted} -vf fps=2 frames/%06d.jpg"
        )
    if kind == CAMERA_RAW:
        return "camera raw: develop it first (RawTherapee, darktable, ...), and give the JPEG or TIFF"
    if kind == "HEIC":
        return "HEIC needs the package pillow-heif: pip install 'expllm[heic]'"
    if kind == "AVIF":
        return "AVIF needs a Pillow that was built with it: pip install --upgrade pillow"
    return f"not a supported picture format ({kind}): {_SUPPORTED}"


def first_bytes(path: str) -> bytes:
    """The first few thousand bytes of a regular file; empty if there is none, or it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a device or pipe can act on it, or wait
            return b""
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""


def our_mark() -> "PngInfo":
    """What `Image.save(..., pnginfo=...)` writes into a PNG of ours."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in OUR_MARK.items():
        info.add_text(key, text)
    return info


def is_our_png(start: bytes) -> bool:
    """Whether a file that begins so is a PNG that we drew."""
    texts = (f"tEXt{key}\0{text}".encode() for key, text in OUR_MARK.items())
    return start.startswith(b"\x89PNG") and any(text in start for text in texts)
