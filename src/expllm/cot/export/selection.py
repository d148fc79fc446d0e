"""Which records are exported, one at a time: a data set of any size never stands in memory."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from expllm.core.errors import ExpllmError, UsageError
from expllm.core.vocabulary import Expression
from expllm.cot.explanation import CotRecord, CotStatus
from expllm.cot.merged_journal import Merged


class NothingToExport(ExpllmError):  # noqa: N818 - named for what is missing
    """No sample of the run has ended in the way that was asked for."""


_ALWAYS: Final = CotRecord.model_fields.keys() - {"drafts"}
"""What the JSON of every record has."""


@dataclass(frozen=True)
class Selection:
    """The records of a run with some statuses, in the order of the data set.

    Attributes:
        journals: Where they stand.
        statuses: How they ended.
        labels: The label set of the run; empty where its settings do not say it.
    """

    journals: Merged
    statuses: tuple[str, ...]
    labels: tuple[Expression, ...]

    @classmethod
    def of(cls, journals: Merged, statuses: Sequence[str]) -> "Selection":
        """Checks that there is something to export.

        Raises:
            UsageError: there is no such status.
            VocabularyError: the run's settings name a label that is none.
            NothingToExport: no sample has ended so.
        """
        known = get_args(CotStatus)
        if unknown := [status for status in statuses if status not in known]:
            raise UsageError(f"no status {unknown[0]!r}: use {', '.join(known)}")
        names = journals.run.settings().get("labels") or ()
        selection = cls(journals, tuple(statuses), tuple(Expression.parse(str(name)) for name in names))
        if not len(selection):
            ended = len(journals.ended)
            raise NothingToExport(
                f"{journals.run.path}: nothing to export: {ended} samples have ended, none is "
                f"{' or '.join(statuses)}; 'expllm cot status {journals.run.path}' says why"
            )
        return selection

    def __len__(self) -> int:
        return sum(ended.status in self.statuses for ended in self.journals.ended)

    def __iter__(self) -> Iterator[CotRecord]:
        for ended in self.journals.ended:
            if ended.status in self.statuses:
                yield CotRecord.from_dict(self.journals.outcome(ended).record)

    def texts(self) -> Iterator[str]:
        """The records as JSON with sorted keys: as the journals hold them, but read and checked."""
        for ended in self.journals.ended:
            if ended.status in self.statuses:
                text = self.journals.record_text(ended)
                record = CotRecord.from_json(text)
                # A journal of an earlier version lacks fields.
                whole = record.model_fields_set >= _ALWAYS
                yield text if whole else json.dumps(record.to_dict(), ensure_ascii=False, sort_keys=True)

    @property
    def pictured(self) -> bool:
        """Whether any of the records has a picture."""
        found = self.journals.rows("status, json_extract(record, '$.image') IS NOT NULL")
        return any(pictured for status, pictured in found if status in self.statuses)

    def splits(self) -> dict[str, int]:
        """Split -> records, with `train` for those that have none; by name."""
        counts: dict[str, int] = {}
        for status, split in self.journals.rows("status, json_extract(record, '$.split')"):
            if status in self.statuses:
                counts[split or "train"] = counts.get(split or "train", 0) + 1
        return dict(sorted(counts.items()))


def label_of(record: CotRecord) -> Expression | None:
    """What a record's text explains: its label, or what was named where the data have no label."""
    return record.expression or (record.predictions[-1] if record.predictions else None)


def picture(record: CotRecord) -> bytes | None:
    """The encoded picture of a record; None where it has none.

    Raises:
        ExpllmError: it is not where it was when the run was made.
    """
    if record.image is None:
        return None
    from expllm.data import ImageRef, image_bytes

    return image_bytes(ImageRef.from_dict(record.image))


def picture_name(record: CotRecord, data: bytes) -> str:
    """A name for the picture's file: that of the sample where it is harmless, and in any case unique."""
    import hashlib
    import re

    suffix = next((s for start, s in _SUFFIXES if data.startswith(start)), ".bin")
    if data[8:12] == b"WEBP":
        suffix = ".webp"
    stem = record.id.removesuffix(suffix).removesuffix(suffix.upper())
    if re.fullmatch(r"[a-z0-9_][a-z0-9_.-]{0,99}", stem):
        return stem + suffix
    # Also where only the case is unusual: some file systems take a.jpg and A.jpg for one.
    clean = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)[-60:].strip("_")
    return f"{clean}-{hashlib.sha256(record.id.encode()).hexdigest()[:12]}{suffix}"


_SUFFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"BM", ".bmp"), (b"GIF8", ".gif"), (b"II*\0", ".tiff"),
    (b"MM\0*", ".tiff"),
)  # fmt: skip


def flat(record: CotRecord) -> dict[str, Any]:
    """A record as one row of a table: the text in full and in parts, one column a unit."""
    values = record.to_dict()
    cot, aus, image = values.pop("cot") or {}, values.pop("aus") or {}, values.pop("image") or {}
    parts = {"text": record.cot.text if record.cot else None, **cot}
    return {**values, **parts, **aus, **{f"image_{name}": value for name, value in image.items()}}
