"""The transcript of one sample: calls and verdicts in order."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

from expllm.cot.journal import Call, JournalReader, JournalVerdict

REFINEMENT: Final = "Format Refinement"
_COLUMNS: Final = tuple(field.name for field in fields(Call))


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A call, and whether its failure was later tried again."""

    call: Call
    again: bool


TranscriptEvent = LoggedCall | JournalVerdict


def history(reader: JournalReader, sample: str) -> list[TranscriptEvent]:
    """Calls and verdicts of a sample in one journal; each verdict after the calls that it judges."""
    asked = list(_asked(reader, sample))
    verdicts = reader.verdicts(sample)
    rounds = sorted({item.call.round for item in asked} | {verdict.round for verdict in verdicts})
    return [
        event
        for number in rounds
        for event in _round(
            [item for item in asked if item.call.round == number],
            [verdict for verdict in verdicts if verdict.round == number],
        )
    ]


def _asked(reader: JournalReader, sample: str) -> Iterator[LoggedCall]:
    """Also the calls that failed and were tried again."""
    query = f"SELECT {', '.join(_COLUMNS)}, retried FROM calls WHERE sample = ? ORDER BY number"
    for *values, again in reader.db.execute(query, (sample,)):
        known = dict(zip(_COLUMNS, values, strict=True))
        flags = {"refused": bool(known["refused"]), "cached": bool(known["cached"])}
        yield LoggedCall(Call(**{**known, **flags}), bool(again))


def _round(asked: Sequence[LoggedCall], verdicts: Sequence[JournalVerdict]) -> Iterator[TranscriptEvent]:
    yield from (item for item in asked if item.call.step != REFINEMENT)
    yield from (verdict for verdict in verdicts if verdict.step != REFINEMENT)
    judged = deque(verdict for verdict in verdicts if verdict.step == REFINEMENT)
    for item in asked:
        if item.call.step == REFINEMENT:
            yield item
            if judged and item.call.failure is None:
                yield judged.popleft()
    yield from judged
