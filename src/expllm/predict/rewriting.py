"""Refuted sentences of a model behind an address: it is asked for each of them once more."""

from collections.abc import Awaitable, Callable
from typing import Final

from expllm.core.records import Rejected
from expllm.core.vocabulary import AUVector
from expllm.grounding.outline import heading, split
from expllm.predict.verifying import SentenceVerifier, verifier

Ask = Callable[[str], Awaitable[str | None]]
"""What the model answers when it is asked for another sentence behind its text; None where no answer came."""
MOST: Final = 4
"""Sentences of a text that the model is asked for again; further refuted ones are left out."""
REQUEST: Final = (
    'The measured action units refute this sentence of your text: "{sentence}" ({reason}). Write one '
    "sentence that can stand in its place and claims no movement that was not measured. Answer with that "
    "sentence alone."
)


async def rewritten(text: str, aus: AUVector | None, ask: Ask) -> tuple[str, tuple[Rejected, ...] | None]:
    """A text without the sentences that the measured action units refute, and these.

    What takes their place is judged as in [audited decoding][expllm.model.inference.audited_decoding.decode].

    Args:
        ask: Asked at most `MOST` times, for one sentence each.

    Returns:
        The text as it is, and None, where nothing was measured.
    """
    judge = verifier(aus)
    if judge is None:
        return text, None
    draft = _Rewriting(judge, ask)
    for piece in split(text):
        await draft.take(piece)
    draft.complete_part()
    return draft.text, tuple(draft.rejected)


class _Rewriting:
    """A text that is gone through sentence by sentence."""

    def __init__(self, judge: SentenceVerifier, ask: Ask) -> None:
        self._judge, self._ask = judge, ask
        self.text, self.rejected = "", list[Rejected]()
        self._asked, self._empty, self._omitted = 0, True, ""

    async def take(self, piece: str) -> None:
        """The next sentence or heading, with the white space before it."""
        if heading(piece.strip()):
            self.complete_part()
            self._empty = True
        elif piece.strip():
            if reason := self._judge.refuted(self.text, piece):
                await self._replace(piece, reason)
                return
            self._empty = False
        self.text += piece

    def complete_part(self) -> None:
        """A part of which every sentence was left out gets one by rules."""
        first, self._omitted = self._omitted, ""
        if first and self._empty and (written := self._judge.by_rules(self.text, first, alone=True)):
            last = self.rejected.pop()
            self._stand(f" {written}", last.sentence, last.reason)

    async def _replace(self, piece: str, reason: str) -> None:
        blank, first = piece[: len(piece) - len(piece.lstrip())], piece.strip()
        if other := await self._other(piece, reason):
            self._stand(blank + other, first, reason, sample=1)
        elif written := self._judge.by_rules(self.text, piece, alone=False):
            self._stand(blank + written, first, reason)
        else:
            self.rejected.append(Rejected(sentence=first, reason=reason, start=len(self.text)))
            self._omitted = piece

    async def _other(self, piece: str, reason: str) -> str | None:
        """The model's other sentence; None if it may not stand there either."""
        if self._asked == MOST:
            return None
        self._asked += 1
        answer = await self._ask(REQUEST.format(sentence=piece.strip(), reason=reason))
        other = " ".join((answer or "").split()).strip('"')
        fits = other and len(split(other)) == 1 and not heading(other)
        if not fits or not self._judge.replaceable(self.text, piece, other):
            return None
        return None if self._judge.refuted(self.text, f" {other}") else other

    def _stand(self, piece: str, first: str, reason: str, sample: int | None = None) -> None:
        start = len(self.text) + len(piece) - len(piece.lstrip())
        self.rejected.append(
            Rejected(sentence=first, reason=reason, start=start, replacement=piece.strip(), sample=sample)
        )
        self.text += piece
        self._empty = False
