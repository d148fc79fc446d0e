"""In which encoding a text file is written: told by its bytes."""

import codecs
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from expllm.core.errors import RecordError

_CHUNK: Final = 1 << 20
BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAVE: Final = "save it as CSV or Parquet"
_OF_R: Final = f"R's own data: {_SAVE}, such as with write.csv"
NO_TEXTS: Final = (
    (b"PK\x03\x04", "an Excel workbook, or another ZIP file: save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save it as CSV"),
    (b"\x1f\x8b", "compressed (gzip): unpack it first"),
    (b"\xfd7zXZ\0", "compressed (xz): unpack it first"),
    *((b"BZh%d" % level, "compressed (bzip2): unpack it first") for level in range(1, 10)),
    (b"\x28\xb5\x2f\xfd", "compressed (Zstandard): unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "packed (7-Zip): unpack it first"),
    (b"Rar!\x1a\7", "packed (RAR): unpack it first"),
    (b"ARROW1\0\0", f"a Feather or Arrow file: {_SAVE}"),
    (b"FEA1", f"a Feather file: {_SAVE}"),
    (b"SQLite format 3\0", "a SQLite database: export the table as CSV"),
    (b"\x89HDF\r\n\x1a\n", f"an HDF5 file (pandas, or MATLAB's v7.3): {_SAVE}"),
    (b"MATLAB 5.0 MAT-file", f"a MATLAB file: {_SAVE}"),
    (b"\x93NUMPY", f"a NumPy array, whose columns have no names: {_SAVE}"),
    (b"$FL2", f"an SPSS file: {_SAVE}"),
    (b"$FL3", f"an SPSS file: {_SAVE}"),
    (b"<stata_dta>", f"a Stata file: {_SAVE}"),
    *((mark, _OF_R) for mark in (b"X\n\0\0\0", b"RDX2\n", b"RDX3\n")),
    *(
        (bytes((0x80, protocol)), f"a Python pickle, which is never loaded: {_SAVE}")
        for protocol in range(2, 6)
    ),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"<!DOCTYPE html", "a web page: download the table itself"),
    (b"<!doctype html", "a web page: download the table itself"),
    (b"<html", "a web page: download the table itself"),
)
_R_SUFFIXES: Final = (".rds", ".rdata", ".rda")
"""R packs its files with gzip, bzip2 or xz: unpacked they are still no text."""
WINDOWS: Final = "cp1252"
"""What is neither UTF-8 nor UTF-16 comes from a Windows program in western Europe or America, mostly."""
BINARY: Final = "it is not text"
ODD: Final = "neither in UTF-8 nor in the alphabet of western Europe: save it as UTF-8"
_ACCENTS: Final = re.compile("[\x80-\xff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192]{4}")
"""So many letters with accents in a row are of another alphabet: Cyrillic, Greek, Chinese, Japanese ..."""


def encoding_of(path: Path) -> str:
    """The encoding of a text file: UTF-8, UTF-16 or UTF-32 with or without mark, else Windows-1252.

    The whole file is decoded once: half of one is no proof of UTF-8.

    Raises:
        RecordError: it cannot be read, or is not text.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(1 << 12)
        if kind := _why_no_text(start, path.suffix.lower()):
            raise RecordError(f"{path}: {kind}")
        named = _by_its_start(start)
        problem = _undecodable(path, named)
        if problem is not None and named == "utf-8":
            doubt = _undecodable(path, WINDOWS)
            named, problem = (
                (WINDOWS, None) if doubt is None else (named, doubt if doubt in (BINARY, ODD) else problem)
            )
    except OSError as error:
        raise RecordError(f"{path}: cannot be read as text ({error.strerror or error})") from None
    if problem is not None:
        advice = "" if problem in (BINARY, ODD) else ": save it as UTF-8"
        raise RecordError(f"{path}: cannot be read as text ({problem}){advice}")
    return named


def doubted_names(path: Path, names: Iterable[str]) -> str:
    """What to do where names may have been read in the wrong encoding: those of a table in no Unicode.

    Short names in Japanese or of an old Macintosh are text in Windows-1252, too, and another one.

    Args:
        path: A text file that was read, or one in Parquet.
        names: From it; the first that is not ASCII is quoted.
    """
    odd = next((name for name in names if not name.isascii()), None)
    try:
        if odd is None or encoding_of(path) != WINDOWS:
            return ""
    except RecordError:
        return ""
    return f"the table was read as {WINDOWS}: save it as UTF-8 if {odd!r} is another name"


def _why_no_text(start: bytes, suffix: str) -> str:
    """What a file is that begins so, and what to do; empty for what may be text."""
    kind = next((kind for mark, kind in NO_TEXTS if start.startswith(mark)), "")
    return _OF_R if kind and suffix in _R_SUFFIXES else kind


def encoding_by_start(path: Path) -> str:
    """The encoding that a file's first bytes show, else UTF-8: for files too long to be read twice.

    UTF-16 and UTF-32 come with their order of bytes: lines that are read from the middle need it.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(1 << 12)
    named = _by_its_start(start)
    if named not in ("utf-16", "utf-32"):
        return named
    return f"{named}-be" if start[:1] in (b"\xfe", b"\0") else f"{named}-le"


def first_sign(path: Path) -> str:
    """The first character of a text that is no blank; empty for an empty text.

    Raises:
        RecordError: as `encoding_of`.
    """
    with open(path, encoding=encoding_of(path), newline="") as file:
        while text := file.read(_CHUNK):
            if text.lstrip():
                return text.lstrip()[0]
    return ""


def _by_its_start(start: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    # Without a mark: of western text in UTF-16, every other byte is zero, and none of the others.
    for zeros, letters, encoding in ((1, 0, "utf-16-le"), (0, 1, "utf-16-be")):
        if start[zeros::2].count(0) > len(start) // 4 and not start[letters::2].count(0):
            return encoding
    return "utf-8"


def _undecodable(path: Path, encoding: str) -> str | None:
    """Why a file is not text in this encoding; None if it is."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with open(path, "rb") as file:
        while True:
            data = file.read(_CHUNK)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                return str(error)
            if encoding == WINDOWS and "\0" in text:  # any bytes at all are text in it, but for five
                return BINARY
            if encoding == WINDOWS and _ACCENTS.search(text):
                return ODD
            if not data:
                return None
