"""Exports in parts of a size, with a manifest: read side by side, and a copy can be checked by it."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

from expllm.core.errors import UsageError
from expllm.files.atomic_folders import durable_file

MANIFEST: Final = "manifest.json"
_UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    f"{letter}IB": 2 ** (10 * power) for power, letter in enumerate("KMGT", 1)
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?B?)\s*", re.IGNORECASE)
_LEAST: Final = 1000


def part_bytes(size: str) -> int:
    """The bytes of a size such as `1GB`, `500MB` or `2GiB`.

    Raises:
        UsageError: it is none, or less than 1 kB.

    >>> part_bytes("1.5GB"), part_bytes("1 KiB")
    (1500000000, 1024)
    """
    found = _SIZE.fullmatch(size)
    unit = found[2].upper() if found else ""
    unit = unit if unit in _UNITS else f"{unit}B"
    if found is None or unit not in _UNITS:
        raise UsageError(f"--part-size is {size!r}: give a size such as 1GB or 500MB")
    count = int(float(found[1]) * _UNITS[unit])
    if count < _LEAST:
        raise UsageError(f"--part-size is {size!r}: the least is 1KB")
    return count


def line_parts(lines: Iterable[str], folder: Path, name: str, most: int) -> list[str]:
    """Lines into `NAME-00000-of-NNNNN.jsonl`, each of at most `most` bytes; returns the names.

    A line that is longer than that has a file to itself.
    """
    parts: list[Path] = []
    with ExitStack() as stack:
        file: IO[bytes] | None = None
        filled = 0
        for line in lines:
            data = line.encode("utf-8", "surrogateescape")
            if file is None or (filled and filled + len(data) > most):
                stack.close()
                parts.append(folder / f"{name}-{len(parts):05d}")
                file, filled = stack.enter_context(durable_file(parts[-1], "wb")), 0
            file.write(data)
            filled += len(data)
    return named_parts(parts, ".jsonl")


def named_parts(parts: Sequence[Path], suffix: str) -> list[str]:
    """Gives parts their names, now that their number is known."""
    names = [f"{part.name}-of-{len(parts):05d}{suffix}" for part in parts]
    for part, name in zip(parts, names, strict=True):
        part.rename(part.with_name(name))
    return names


def row_bytes(value: Any) -> int:
    """About how many bytes a row takes before it is compressed."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(row_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(row_bytes, value))
    return 8


def write_parts_manifest(folder: Path, format_: str, files: Iterable[str]) -> None:
    """`manifest.json`: of each part its name, records, bytes and SHA-256, in the order of the records."""
    parts = [_part(folder, name) for name in files]
    whole = {key: sum(int(part[key]) for part in parts) for key in ("records", "bytes")}
    with durable_file(folder / MANIFEST) as file:
        json.dump({"format": format_, **whole, "parts": parts}, file, indent=1)
        file.write("\n")


def _part(folder: Path, name: str) -> dict[str, str | int]:
    path = folder / name
    digest, lines = hashlib.sha256(), 0
    for block in _blocks(path):
        digest.update(block)
        lines += block.count(b"\n")
    records = _table_rows(path) if path.suffix == ".parquet" else lines
    return {"file": name, "records": records, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _table_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block
