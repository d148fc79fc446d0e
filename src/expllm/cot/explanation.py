"""The engine's record of a face: its explanation, or the reason why there is none."""

from typing import Any, Literal

from expllm.core.records import AUs, CoT, Record
from expllm.core.vocabulary import Expression

CotStatus = Literal["resolved", "unresolved", "invalid"]
"""`resolved`: a checked text; `unresolved`: the rounds or a call failed, or a filter declined; `invalid`: no
answer of the asked form, or nothing to explain."""


class CotRecord(Record):
    """One face's way through the six processes. Nothing in it depends on time: equal runs, equal records.

    Attributes:
        predictions: What Des2Exp named in each round.
        hinted: The true label was told to the writer of this text.
        grounding: Share of the text's checkable claims supported by the action units, 0-1.
        recall: Share of the active units, weighted by intensity, that the text tells, 0-1.
        refusals: Answers that refused the task.
        drafts: Where the sample was tried again without its label, how many drafts were written: the text is
            made of the best one. None, and absent from JSON, in a first pass.
    """

    id: str
    expression: Expression | None
    status: CotStatus
    reason: str | None = None
    cot: CoT | None = None
    predictions: tuple[Expression, ...] = ()
    rounds: int = 0
    hinted: bool = False
    aus: AUs | None = None
    au_source: str | None = None
    writer: str
    model: str | None = None
    prompt_hash: str | None = None
    grounding: float | None = None
    recall: float | None = None
    refusals: int = 0
    image: dict[str, str | int | None] | None = None
    split: str | None = None
    drafts: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `Record.to_dict`; a field that says nothing would change every record that there is."""
        values = super().to_dict()
        if self.drafts is None:
            del values["drafts"]
        return values
