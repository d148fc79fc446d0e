"""Refuted sentences of a model behind an address: it is asked for other versions of each."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from expllm.chat import Message
from expllm.core.records import Rejected
from expllm.core.vocabulary import AUVector
from expllm.grounding.outline import heading, split
from expllm.predict.verifying import SentenceVerifier, verifier

Ask = Callable[[Sequence[str]], Awaitable[str | None]]
"""What the model answers behind its text. It is given all requests for one sentence with the answers between
them, the request first and last; None where no answer came."""
TRIES: Final = 4
"""Other versions that the model is asked for, of one sentence."""
MOST_REWRITTEN: Final = 12
"""Versions that it is asked for, of one text; further refuted sentences are left out."""
REQUEST: Final = (
    'The measured action units refute this sentence of your text: "{sentence}" ({reason}). Write one '
    "sentence that can stand in its place and claims no movement that was not measured. Answer with that "
    "sentence alone."
)
REQUEST_AGAIN: Final = "That sentence cannot stand there either: {reason}. Answer with another one alone."
_UNFIT: Final = "it must be one new sentence, of some words, that names the same expression or none"
"""Why an answer cannot stand that the action units do not refute."""


def turns(talk: Sequence[str]) -> list[Message]:
    """Requests and answers as messages, as an `Ask` is given them.

    >>> [one.role for one in turns(["Another one.", "The brows rise.", "Another one."])]
    ['user', 'assistant', 'user']
    """
    return [Message("assistant" if place % 2 else "user", text) for place, text in enumerate(talk)]


async def rewritten(text: str, aus: AUVector | None, ask: Ask) -> tuple[str, tuple[Rejected, ...] | None]:
    """A text without the sentences that the measured action units refute, and these.

    What takes their place is judged as in [audited decoding][expllm.model.inference.audited_decoding.decode].

    Args:
        ask: Asked at most `TRIES` times for a sentence, and `MOST_REWRITTEN` times in all.

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
        other, number = await self._other(piece, reason)
        if other is not None:
            self._stand(blank + other, first, reason, sample=number)
        elif written := self._judge.by_rules(self.text, piece, alone=False):
            self._stand(blank + written, first, reason)
        else:
            self.rejected.append(Rejected(sentence=first, reason=reason, start=len(self.text)))
            self._omitted = piece

    async def _other(self, piece: str, reason: str) -> tuple[str | None, int]:
        """The model's first other version that may stand there, and which one that is; None if none may."""
        talk = [REQUEST.format(sentence=piece.strip(), reason=reason)]
        for number in range(1, min(TRIES, MOST_REWRITTEN - self._asked) + 1):
            self._asked += 1
            answer = await self._ask(talk)
            if answer is None:
                break
            other = " ".join(answer.split()).strip('"')
            fault = self._fault(piece, other)
            if fault is None:
                return other, number
            talk += [answer, REQUEST_AGAIN.format(reason=fault)]
        return None, 0

    def _fault(self, piece: str, other: str) -> str | None:
        """Why another version cannot take a sentence's place; None if it can."""
        if reason := self._judge.refuted(self.text, f" {other}"):
            return reason
        fits = other and len(split(other)) == 1 and not heading(other)
        return None if fits and self._judge.replaceable(self.text, piece, other) else _UNFIT

    def _stand(self, piece: str, first: str, reason: str, sample: int | None = None) -> None:
        start = len(self.text) + len(piece) - len(piece.lstrip())
        self.rejected.append(
            Rejected(sentence=first, reason=reason, start=start, replacement=piece.strip(), sample=sample)
        )
        self.text += piece
        self._empty = False
