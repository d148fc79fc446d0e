"""The second pass over a run: samples that needed their label, or failed with it, are tried again without it.

It has a journal of its own, `second_pass.sqlite`, with the same tables. So the first pass stays as it was,
the second one is resumed like it, and a text that needed no label takes the place of the one that did
(`merged_journal`).
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Final

from expllm.cot.best_of import BestOf
from expllm.cot.calls import CallWorkers, SampleEnding
from expllm.cot.case import Case
from expllm.cot.engine import Engine
from expllm.cot.engine_run import work_through
from expllm.cot.engine_setup import CotMakeOptions, make_engine
from expllm.cot.explanation import CotRecord
from expllm.cot.journal import WITHOUT_ANSWER, Journal, JournalReader
from expllm.cot.prompt_set import Prompts
from expllm.cot.sample_session import SampleSession
from expllm.data import Dataset, Sample
from expllm.data.drawn import drawn_samples
from expllm.files.runs import RunFolder

_WORTH: Final = (
    "json_extract(record, '$.expression') IS NOT NULL AND (status = 'unresolved' AND NOT "
    f"{WITHOUT_ANSWER} OR status = 'resolved' AND json_extract(record, '$.hinted'))"
)
"""SQL: it has a label, and was resolved with its help, or not at all though every question was answered."""


@dataclass(frozen=True)
class LateSample:
    """A sample that is tried again, and what the first pass found of it."""

    sample: Sample
    first: CotRecord

    @property
    def id(self) -> str:
        return self.sample.id


def try_again(options: CotMakeOptions, prompts: Prompts, dataset: Dataset, folder: RunFolder) -> str:
    """The second pass over a run whose first pass has ended; why it ended, if by something else than its end.

    Raises:
        ExpllmError, KeyboardInterrupt: as `make_cot`.
    """
    with ExitStack() as stack:
        first = [stack.enter_context(closing(JournalReader(path))) for path in folder.first_journals()]
        journal = stack.enter_context(closing(Journal(folder.second_journal)))
        reader = stack.enter_context(closing(JournalReader(journal.path)))
        if options.retry_failed:
            reader.reopen_failed()
        # No faces are measured: the first pass has their action units.
        engine = make_engine(options, prompts, dataset.labels)
        engine.gate.spent_before = sum(one.spent() for one in first)
        again = SecondPass(engine, options.best_of)
        samples = late_samples(drawn_samples(dataset, options.limit), first)
        waiting = sum(_count(one) for one in first) - len(reader.finished())
        return work_through(engine, lambda: again.run(samples, journal), waiting, options)


def late_samples(
    samples: Iterable[tuple[int, Sample]], first: list[JournalReader]
) -> Iterator[tuple[int, LateSample]]:
    """Those that are worth another try, with their places; each is looked up when its turn comes.

    Args:
        first: The journals of the first pass.
    """
    for place, sample in samples:
        found = next(filter(None, (_worth_another(reader, sample.id) for reader in first)), None)
        if found is not None:
            yield place, LateSample(sample, found)


def _worth_another(reader: JournalReader, sample: str) -> CotRecord | None:
    query = f"SELECT 1 FROM outcomes WHERE sample = ? AND {_WORTH}"
    if reader.db.execute(query, (sample,)).fetchone() is None:
        return None
    outcome = reader.outcome(sample)
    return None if outcome is None else CotRecord.from_dict(outcome.record)


def _count(reader: JournalReader) -> int:
    return int(reader.db.execute(f"SELECT COUNT(*) FROM outcomes WHERE {_WORTH}").fetchone()[0])


@dataclass
class SecondPass:
    """Tries samples again by best-of-N.

    Attributes:
        engine: Of the run.
        drafts: N.
    """

    engine: Engine
    drafts: int

    async def run(self, samples: Iterable[tuple[int, LateSample]], journal: Journal) -> None:
        """Works through samples with their places; see `CallWorkers.run`."""
        engine = self.engine
        await CallWorkers(self._ended, journal, engine.gate, engine.on_outcome).run(samples)

    async def _ended(self, late: LateSample, session: SampleSession) -> SampleEnding:
        record = await self.explain(late, session)
        return record.status, record.reason, record.to_dict()

    async def explain(self, late: LateSample, session: SampleSession) -> CotRecord:
        """One sample again; what the first pass named stays in its record, before what the drafts named."""
        first, engine = late.first, self.engine
        assert first.aus is not None, "nothing is tried again that was not measured"
        case = Case(first.aus, engine.labels, first.expression, late.sample.course or ())
        best = BestOf(engine.writer, session, case, engine.rules, self.drafts)
        found = await best.through()
        changes: dict[str, Any] = {
            "cot": None, "grounding": None, "recall": None, "hinted": False, "drafts": self.drafts,
            "predictions": (*first.predictions, *best.predictions), "model": session.model or first.model,
            "refusals": first.refusals + session.refusals, **found,
        }  # fmt: skip
        return first.model_copy(update=changes)
