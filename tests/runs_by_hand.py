"""Runs whose journals a test writes row by row, so that every figure of a ledger is known beforehand."""

import asyncio
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot.explanation import CotRecord
from expllm.cot.journal import Call, Journal, JournalRow, JournalVerdict, SampleOutcome
from expllm.files.runs import RunFolder

LABELS = ("neutral", "happiness", "sadness")
TEXT = CoT(
    key_observations="Both lip corners are pulled up moderately.",
    overall_emotional_interpretation="Raised lip corners are typical of happiness.",
    conclusion="The expression is happiness.",
)
SMILE = AUVector.from_positive({"left lip corner pull": 0.3, "right lip corner pull": 0.31})


def record(name: str, **changes: Any) -> CotRecord:
    """A resolved record of a smile, but for `changes`."""
    values: dict[str, Any] = {
        "id": name, "expression": Expression.HAPPINESS, "status": "resolved", "cot": TEXT,
        "predictions": (Expression.HAPPINESS,), "rounds": 1, "aus": SMILE, "au_source": "by hand",
        "writer": "a-model", "model": "a-model-2", "prompt_hash": "ab" * 32, "grounding": 1.0, "recall": 0.5,
    }  # fmt: skip
    return CotRecord(**values | changes)


def outcome(position: int, made: CotRecord) -> SampleOutcome:
    return SampleOutcome(made.id, position, made.status, made.reason, made.to_dict())


def call(name: str, number: int = 0, **changes: Any) -> Call:
    """An answered call of 10 + 5 tokens for a cent, but for `changes`."""
    values: dict[str, Any] = {
        "sample": name, "number": number, "step": "AU2Des", "round": 1, "key": "k", "prompt": "Describe.",
        "text": "A smile.", "model": "a-model-2", "finish": "stop", "prompt_tokens": 10,
        "completion_tokens": 5, "cost": 0.01, "seconds": 0.5,
    }  # fmt: skip
    return Call(**values | changes)


def verdict(name: str, number: int = 0, passed: bool = True, **detail: Any) -> JournalVerdict:
    views = {"by": "rules", "units": True, "degrees": True, "label": True, "problems": []}
    return JournalVerdict(name, number, 1, "Result Verification", passed, views | detail)


def begin(folder: Path, **settings: Any) -> RunFolder:
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder)
    run.begin({"expllm": "0", "dataset": "smiles", "model": "a-model", "labels": list(LABELS)} | settings)
    return run


def write(run: RunFolder, rows: Iterable[JournalRow], shard: int | None = None) -> RunFolder:
    """Adds rows to the run's own journal, or to that of a worker."""
    path = run.path / ("journal.sqlite" if shard is None else f"journal-{shard:04d}.sqlite")

    async def add() -> None:
        await asyncio.gather(*(journal.add(row) for row in rows))

    with closing(Journal(path)) as journal:
        asyncio.run(add())
    return run


def run_of(folder: Path, records: Iterable[CotRecord], **settings: Any) -> RunFolder:
    """A run that ended with these records, in this order."""
    return write(begin(folder, **settings), (outcome(i, made) for i, made in enumerate(records)))
