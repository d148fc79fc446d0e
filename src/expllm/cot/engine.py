"""The Exp-CoT Engine: samples in, checked explanations out, each step journaled before the next begins."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from expllm.chat import ChatFailed
from expllm.core.errors import ExpllmError
from expllm.core.vocabulary import AUVector, Expression
from expllm.cot import steps
from expllm.cot.calls import CallWorkers, SampleEnding
from expllm.cot.case import Case, Feedback, Rules
from expllm.cot.explanation import CotRecord
from expllm.cot.journal import Journal, SampleOutcome
from expllm.cot.sample_session import Filtered, RunBudget, SampleSession
from expllm.cot.writers import CotWriter
from expllm.data import Sample

Img2AU = Callable[[Sample], tuple[AUVector, str]]
"""A sample's action units and where they come from; ExpllmError where the face cannot be measured."""


def dataset_aus(sample: Sample) -> tuple[AUVector, str]:
    """Img2AU for data that carry their action units.

    Raises:
        ExpllmError: this sample carries none.
    """
    if sample.aus is None:
        raise ExpllmError("has no action units, and no face reader was given")
    return sample.aus, sample.au_source or "data set"


@dataclass
class Engine:
    """Takes samples through the six processes.

    Attributes:
        writer: An LLM, or rules.
        labels: The label set.
        rules: How often it tries.
        img2au: Measures a face; called on a thread.
        gate: How many calls may be under way, and until when any may begin.
        prompt_hash: Of the prompts that the writer uses.
        on_outcome: Told of each sample that has ended.
        release: Frees what `img2au` holds.
    """

    writer: CotWriter
    labels: tuple[Expression, ...]
    rules: Rules = field(default_factory=Rules)
    img2au: Img2AU = dataset_aus
    prompt_hash: str | None = None
    on_outcome: Callable[[SampleOutcome], None] = lambda _: None
    gate: RunBudget = field(default_factory=RunBudget)
    release: Callable[[], None] = lambda: None

    async def close(self) -> None:
        """Ends the connections of the writer, and frees what measures faces."""
        await self.writer.close()
        self.release()

    async def run(self, samples: Iterable[Sample], journal: Journal) -> None:
        """Works through `samples`; see `run_placed`."""
        await self.run_placed(enumerate(samples), journal)

    async def run_placed(self, samples: Iterable[tuple[int, Sample]], journal: Journal) -> None:
        """Works through samples with their places; see `CallWorkers.run`."""
        await CallWorkers(self._ended, journal, self.gate, self.on_outcome).run(samples)

    async def _ended(self, sample: Sample, session: SampleSession) -> SampleEnding:
        record = await self.explain(sample, session)
        return record.status, record.reason, record.to_dict()

    async def explain(self, sample: Sample, session: SampleSession) -> CotRecord:
        """One sample through the six processes.

        Raises:
            Paused: no further call may begin.
            ExpllmError: nothing can be asked at all.
        """
        known: dict[str, Any] = {
            "id": sample.id, "expression": sample.expression, "writer": self.writer.identity,
            "prompt_hash": self.prompt_hash, "split": sample.split,
            "image": None if sample.image is None else sample.image.to_dict(),
        }  # fmt: skip
        try:
            aus, source = await self._measure(sample)
        except ExpllmError as error:
            return CotRecord(**known, status="invalid", reason=f"img2au: {error.line}")
        known |= {"aus": aus, "au_source": source}
        case = Case(aus, self.labels, sample.expression, sample.course or ())
        if not steps.worth_telling(case):
            return CotRecord(**known, status="invalid", reason="img2au: nothing could be measured")
        talk = _Talk(self.writer, session, case, self.rules)
        ended = await talk.through()
        return CotRecord(**known, **ended, model=session.model, refusals=session.refusals)

    async def _measure(self, sample: Sample) -> tuple[AUVector, str]:
        if sample.aus is not None:
            return dataset_aus(sample)
        return await asyncio.to_thread(self.img2au, sample)


async def ending(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """What work on a sample found, or as what the sample ends that it could not be done for."""
    try:
        return await work
    except steps.NoAnswer as none:
        return {"status": "invalid", "reason": str(none)}
    except ChatFailed as failed:
        said = f" ({failed.detail})" if failed.detail else ""
        return {"status": "unresolved", "reason": f"call failed: {failed.reason}{said}"}
    except Filtered as filtered:
        return {"status": "unresolved", "reason": f"filtered: {filtered}"}


@dataclass
class _Talk:
    """Rounds of describing, naming and verifying, until one passes."""

    writer: CotWriter
    session: SampleSession
    case: Case
    rules: Rules
    predictions: list[Expression] = field(default_factory=list)
    hinted: bool = False

    async def through(self) -> dict[str, Any]:
        """The fields of the record that the rounds decide."""
        found = await ending(self._rounds())
        counted = {
            "predictions": tuple(self.predictions),
            "rounds": self.session.round,
            "hinted": self.hinted,
        }
        return {**found, **counted}

    async def _rounds(self) -> dict[str, Any]:
        feedback: Feedback | None = None
        for number in range(1, self.rules.max_rounds + 1):
            self.session.round = number
            self.hinted = self.hinted or (feedback is not None and feedback.hint is not None)
            await steps.au2des(self.writer, self.session, self.case, feedback)
            expression = await steps.des2exp(self.writer, self.session, self.case, self.rules)
            self.predictions.append(expression)
            checked = await steps.verify(self.writer, self.session, self.case, self.rules, expression)
            if checked.passed:
                return await self._refined(expression)
            feedback = steps.reflect(self.case, self.rules, checked, number)
        return {"status": "unresolved", "reason": _why(checked)}

    async def _refined(self, expression: Expression) -> dict[str, Any]:
        try:
            cot, report = await steps.refine(self.writer, self.session, self.case, self.rules, expression)
        except steps.NoAnswer as none:
            return {"status": "unresolved", "reason": str(none)}
        return {"status": "resolved", "cot": cot, "grounding": report.precision, "recall": report.recall}


REASONS: Final = (
    ("label", "label"), ("units", "action units"), ("degrees", "degrees"), ("readable", "unread sentences"),
)  # fmt: skip


def _why(checked: steps.Verification) -> str:
    views = [name for view, name in REASONS if getattr(checked, view) is False]
    return f"verification: {', '.join(views) or checked.by}"
