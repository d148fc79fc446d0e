"""A run's explanations as a data set, in the formats that others read, with a card beside it.

The same outcomes give the same bytes: records stand in the order of the data set, and neither times nor costs
are written. A file or folder appears whole or not at all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from expllm.core.errors import UsageError
from expllm.cot.export.dataset_card import card
from expllm.cot.export.json_lines import jsonl, messages, reference_lines, released
from expllm.cot.export.llava_json import llava_folder
from expllm.cot.export.parquet_export import hub_folder, parquet_file
from expllm.cot.export.parts import line_parts, part_bytes, write_parts_manifest
from expllm.cot.export.selection import NothingToExport, Selection
from expllm.cot.export.trl_messages import trl_folder
from expllm.cot.merged_journal import merged_journals
from expllm.files.atomic import whole_file
from expllm.files.atomic_folders import durable_file, is_export, whole_folder
from expllm.files.runs import RunFolder

DEFAULT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "jsonl": "explanations.jsonl",
        "parquet": "explanations.parquet",
        "hf": "explanations-hf",
        "llava": "explanations-llava",
        "trl": "explanations-trl",
        "messages": "messages.jsonl",
        "released": "released.json",
    }
)
"""Format -> its name in the run's folder."""

EXPORT_FORMATS: Final = tuple(DEFAULT_NAMES)
_TEXTS_ONLY: Final = ("llava", "trl", "messages", "released")
_TABLES: Final[Mapping[str, Callable[[Selection, Path, int | None], dict[str, list[str]]]]] = {
    "hf": hub_folder,
    "trl": trl_folder,
}
"""Format -> what fills a folder that `datasets` loads; returns split -> files."""
_LINES: Final[Mapping[str, Callable[[Selection], Iterator[str]]]] = {
    "jsonl": jsonl,
    "messages": messages,
    "released": released,
}


_PARTED: Final = ("jsonl", "messages")
"""Formats of lines that may be cut anywhere."""


def default_output(run: RunFolder, to: str, part_size: int | None = None) -> Path:
    """Where an export goes if nobody says where.

    Raises:
        UsageError: no such format.
    """
    name = Path(DEFAULT_NAMES[_known(to)])
    return run.path / (f"{name.stem}-{name.suffix[1:]}" if part_size and name.suffix else name)


def export(
    run: RunFolder, to: str, output: Path, *, statuses: Sequence[str] = ("resolved",),
    part_size: int | None = None,
) -> int:  # fmt: skip
    """Writes the records of a run with these statuses, and a card; returns how many.

    Args:
        run: Also while it works: what has ended by now is written.
        to: One of `EXPORT_FORMATS`. `released` writes the authors' JSON, and for a name in `.jsonl` lines
            with named units.
        output: A file, beside which its card gets the name `FILE.card.md`; for `hf`, `llava` and `trl` a
            folder, which may be missing, empty or an earlier export.
        statuses: Formats of texts take `resolved` only: nothing else has a text.
        part_size: Most bytes of a file: `output` is a folder of parts then, with a `manifest.json`. Those of
            `hf` and `trl` are counted before they are compressed.

    Raises:
        UsageError: no such format or status, one that has no text, or one that cannot be parted.
        NothingToExport: no sample has ended so.
        NoRun: the folder holds no run.
        OutputError: it cannot be written.
        ExpllmError: a picture is not where it was.
    """
    _known(to)
    if to in _TEXTS_ONLY and tuple(statuses) != ("resolved",):
        raise UsageError(f"{to} holds texts, and only resolved samples have one: use jsonl, parquet or hf")
    run.settings()
    with merged_journals(run) as journals:
        selection = Selection.of(journals, statuses)
        if part_size is not None and to not in (*_TABLES, *_PARTED):
            raise UsageError(f"{to} is not written in parts: use {', '.join((*_TABLES, *_PARTED))}")
        if to in _TABLES or to == "llava" or part_size is not None:
            _folder(selection, to, output, part_size)
        else:
            _file(selection, to, output)
        return len(selection)


def _known(to: str) -> str:
    if to not in EXPORT_FORMATS:
        raise UsageError(f"no format {to!r} to export to: use {', '.join(EXPORT_FORMATS)}")
    return to


def _file(selection: Selection, to: str, output: Path) -> None:
    if to == "parquet":
        with whole_file(output, "wb") as file:
            parquet_file(selection, file)
    else:
        lines = reference_lines if to == "released" and output.suffix == ".jsonl" else _LINES[to]
        with whole_file(output) as file:
            file.writelines(lines(selection))
    with whole_file(output.with_name(f"{output.name}.card.md")) as file:
        file.write(card(selection, to))


def _folder(selection: Selection, to: str, output: Path, part_size: int | None) -> None:
    with whole_folder(output, is_export) as folder:
        files: dict[str, list[str]] | None = None
        if to in _TABLES:
            files = _TABLES[to](selection, folder, part_size)
        elif part_size is None:
            llava_folder(selection, folder)
        else:
            names = line_parts(_LINES[to](selection), folder, Path(DEFAULT_NAMES[to]).stem, part_size)
        if part_size is not None:
            listed = names if files is None else [name for one in files.values() for name in one]
            write_parts_manifest(folder, to, listed)
        with durable_file(folder / "README.md") as file:
            file.write(card(selection, to, files))


__all__ = ["DEFAULT_NAMES", "EXPORT_FORMATS", "NothingToExport", "default_output", "export", "part_bytes"]
