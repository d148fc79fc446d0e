"""The bytes of a sample's picture: a file, a cell of Parquet or CSV, or a member of a tar or zip file."""

import os
import stat
import threading
import zlib
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import ImageError, RecordError
from expllm.data.readers.pixel_table import PIXELS, PixelTable
from expllm.data.sample import ImageRef, MemberRef
from expllm.files.images import ImageLimits, read_stream
from expllm.files.tabular.parquetfile import open_parquet

KEPT_BYTES: Final = 32 * 2**20
"""Row groups that were read are kept up to this size together, and always the last one."""


def image_bytes(ref: ImageRef) -> bytes:
    """The encoded picture, unchecked: give it to `images.open_image`.

    Neighbouring rows of a Parquet file cost one read: the last row groups are kept. Safe on several threads.

    Raises:
        ImageError: there is no such file, row, column or member, or it is empty.
        RecordError: the Parquet file is damaged.
    """
    if isinstance(ref, MemberRef):
        return _member_bytes(ref)
    if ref.row is None:
        return _file_bytes(ref.path)
    column = ref.column or "image"
    if column == PIXELS and not _is_parquet(ref.path):
        return PixelTable(Path(ref.path)).picture(ref.row)
    with _cache.lock:
        cell = _cache.cell(ref.path, ref.row, column)
    if isinstance(cell, dict):
        cell = cell.get("bytes")
    if not isinstance(cell, bytes) or not cell:
        raise ImageError(f"{ref.path}: row {ref.row}: column {column!r} holds no picture")
    return cell


def _is_parquet(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PAR1"
    except (OSError, ValueError):
        return True  # opening it says what is wrong


def _file_bytes(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ImageError(f"{path}: is not a regular file: give the path of a picture")
        with open(path, "rb") as file:
            return read_stream(file, path)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})") from None


def read_span(path: str, offset: int, size: int) -> bytes:
    """`size` bytes of a file from `offset` on.

    Raises:
        ImageError: the file is gone, or shorter than it was when it was looked through.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(size)
    except (OSError, ValueError, OverflowError) as error:
        raise ImageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(data) < size:
        raise ImageError(f"{path}: ends at byte {offset + len(data):,}: it was changed while it was in use")
    return data


def _member_bytes(ref: MemberRef) -> bytes:
    most = ImageLimits().max_bytes
    if ref.size > most:
        raise ImageError(f"{ref.path}: the member at byte {ref.offset:,} is larger than {most:,} bytes")
    data = read_span(ref.path, ref.offset, ref.size)
    if not ref.packed:
        return data
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)  # bare deflate, as zip files hold it
    try:
        whole = unpacking.decompress(data, most + 1)
    except zlib.error as error:
        raise ImageError(f"{ref.path}: the member at byte {ref.offset:,} is damaged ({error})") from None
    if not unpacking.eof:
        raise ImageError(f"{ref.path}: the member at byte {ref.offset:,} is cut short, or too large")
    return whole


class _RowGroups:
    """Row groups of one column that were read last, and where the groups of each file begin."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._groups: OrderedDict[tuple[str, int, str], Any] = OrderedDict()
        self._ends: dict[str, tuple[int, ...]] = {}
        self._versions: dict[str, tuple[int, int]] = {}

    def cell(self, path: str, row: int, column: str) -> Any:
        self._forget_replaced(path)
        ends = self._ends_of(path)
        group = next((number for number, end in enumerate(ends) if row < end), None)
        if group is None:
            raise ImageError(f"{path}: has no row {row}: it has {ends[-1] if ends else 0}")
        values = self._group(path, group, column)
        return values[row - (ends[group - 1] if group else 0)].as_py()

    def _forget_replaced(self, path: str) -> None:
        """Drops what was read of a file that another one has replaced since."""
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return  # opening it says what is wrong
        version = (found.st_size, found.st_mtime_ns)
        if self._versions.get(path) != version:
            self._versions[path] = version
            self._ends.pop(path, None)
            for key in [key for key in self._groups if key[0] == path]:
                del self._groups[key]

    def _ends_of(self, path: str) -> tuple[int, ...]:
        """Number of the row after each group."""
        if path not in self._ends:
            with open_parquet(Path(path)) as file:
                groups = (file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
                self._ends[path] = tuple(accumulate(groups))
        return self._ends[path]

    def _group(self, path: str, group: int, column: str) -> Any:
        key = (path, group, column)
        if key in self._groups:
            self._groups.move_to_end(key)
            return self._groups[key]
        self._groups[key] = self._read(path, group, column)
        while len(self._groups) > 1 and sum(kept.nbytes for kept in self._groups.values()) > KEPT_BYTES:
            self._groups.popitem(last=False)
        return self._groups[key]

    def _read(self, path: str, group: int, column: str) -> Any:
        import pyarrow

        with open_parquet(Path(path)) as file:
            if column not in file.schema_arrow.names:
                raise ImageError(f"{path}: has no column {column!r}")
            try:
                return file.read_row_group(group, columns=[column], use_threads=False).column(0)
            except (OSError, pyarrow.ArrowException) as error:
                raise RecordError(f"{path}: row group {group} cannot be read ({error})") from None


_cache: Final = _RowGroups()
