"""Best of N: drafts about one face whose writer never hears the label; the audit says which is the best.

Every draft is a first round of its own: AU2Des and Des2Exp, with no feedback and no hint. Those whose claims
the audit supports, and which name the label by themselves, are taken by how much of the face they tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from expllm.chat import Message
from expllm.core.vocabulary import Expression
from expllm.cot import steps
from expllm.cot.case import Case, Rules
from expllm.cot.engine import ending
from expllm.cot.sample_session import SampleSession
from expllm.cot.writers import CotWriter
from expllm.grounding import Audit


@dataclass
class BestOf:
    """Drafts about one face, and the text that is made of the best.

    Attributes:
        writer: Who writes.
        session: Of the sample; it holds none of what was said in the first pass.
        case: The face. Its label serves to check what is named, and is told to nobody.
        rules: As in the first pass; the audit looks at every draft whoever verifies.
        count: Drafts.
        predictions: What each of them named.
    """

    writer: CotWriter
    session: SampleSession
    case: Case
    rules: Rules
    count: int
    predictions: list[Expression] = field(default_factory=list)

    async def through(self) -> dict[str, Any]:
        """The fields of the record that the drafts decide."""
        return await ending(self._best())

    async def _best(self) -> dict[str, Any]:
        drafts = [await self._draft(number) for number in range(1, self.count + 1)]
        passed = [draft for draft in drafts if draft is not None]
        for draft in sorted(passed, key=lambda draft: (-draft.recall, draft.number)):
            draft.take_up(self.session)
            if await self._is_correct(draft) and (found := await self._refined(draft)):
                return found
        return {"status": "unresolved", "reason": f"none of {self.count} drafts passed without the label"}

    async def _draft(self, number: int) -> "_Draft | None":
        """A draft that the audit lets pass, else None."""
        self.session.begin_draft(number)
        writer = self.writer.drafting(number)
        await steps.au2des(writer, self.session, self.case, None)
        try:
            expression = await steps.des2exp(writer, self.session, self.case, self.rules)
        except steps.NoAnswer:
            return None
        self.predictions.append(expression)
        audited = replace(self.rules, verify="rules")
        found = await steps.verify(writer, self.session, self.case, audited, expression)
        return _Draft.of(writer, self.session, expression) if found.passed else None

    async def _is_correct(self, draft: "_Draft") -> bool:
        """Whether the model, too, verifies the draft, where the run has it asked."""
        if self.rules.verify == "rules":
            return True
        asked = replace(self.rules, verify="llm")
        found = await steps.verify(draft.writer, self.session, self.case, asked, draft.expression)
        return found.passed

    async def _refined(self, draft: "_Draft") -> dict[str, Any] | None:
        try:
            cot, report = await steps.refine(
                draft.writer, self.session, self.case, self.rules, draft.expression
            )
        except steps.NoAnswer:
            return None
        return {
            "status": "resolved", "reason": None, "cot": cot, "grounding": report.precision,
            "recall": report.recall,
        }  # fmt: skip


@dataclass(frozen=True)
class _Draft:
    """A draft that passed, and what its session held when it did."""

    number: int
    writer: CotWriter
    expression: Expression
    recall: float
    conversation: Sequence[Message]
    description: str
    report: Audit
    mistimed: tuple[str, ...]

    @classmethod
    def of(cls, writer: CotWriter, session: SampleSession, expression: Expression) -> "_Draft":
        assert session.report is not None, "what has no audit does not pass it"
        return cls(
            session.round, writer, expression, session.report.recall or 0.0, session.conversation,
            session.description, session.report, session.mistimed,
        )  # fmt: skip

    def take_up(self, session: SampleSession) -> None:
        session.begin_draft(self.number)
        session.conversation, session.description = [*self.conversation], self.description
        session.report, session.mistimed, session.guess = self.report, self.mistimed, self.expression
