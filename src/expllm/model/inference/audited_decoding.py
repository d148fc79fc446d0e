"""Audited decoding: a sentence that the measured action units refute is sampled again.

A finished sentence is verified. If it is refuted, `SAMPLES` others are drawn from where it began, side by
side, in rows of their own, while the texts of other pictures go on. The likeliest that is not refuted takes
its place. If there is none, or nothing has to stand there (`Verifier.needless`), it is left out: the model
reads on from what it wrote, the text does not show it.

Nothing here depends on the batch or on the threads: samples are drawn by adding Gumbel noise to the logits,
from a seed of their own, and a lead that 32 bits cannot be trusted with is decided in 64 (`backend.CLOSE`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np

from expllm.core.records import Rejected
from expllm.grounding.outline import ends_here, heading

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

Ids = list[int]
SAMPLES: Final = 4
"""Other versions of a refuted sentence."""
TEMPERATURE: Final = 0.7
"""Of the samples."""
_HALF: Final = "\ufffd"


class Choice(NamedTuple):
    """The next token of a text, and the natural logarithm of its probability (without noise)."""

    token: int
    log: float


class Fed(NamedTuple):
    """The next input token of a text, and noise that is added to the logits [vocabulary] after it."""

    token: int
    noise: "NDArray[np.float32] | None" = None


class DecodingRows(Protocol):
    """A batch of texts that are decoded in parallel, each under a fixed number."""

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary."""
        ...

    def start(self) -> dict[int, Choice]:
        """Prefills the prompts; text i continues prompt i."""
        ...

    def step(self, fed: Mapping[int, Fed]) -> dict[int, Choice]:
        """Decodes one token of the given texts; the others wait."""
        ...

    def fork(self, number: int, back: int, count: int) -> tuple[list[int], int]:
        """Copies a text without its last `back` tokens; returns their numbers and the first token dropped."""
        ...

    def drop(self, number: int) -> None:
        """Discards a text; its number is not used again."""
        ...

    def finish(self, numbers: Sequence[int]) -> None:
        """Keeps the final text of each prompt and discards the others."""
        ...


class TextVerifier(Protocol):
    """Judges the sentences of one text."""

    def refuted(self, before: str, sentence: str) -> str | None:
        """The reason why the measurements refute a sentence that follows `before`; None if they do not."""
        ...

    def needless(self, sentence: str) -> bool:
        """Whether a refuted sentence is left out at once: nothing else would be worth its place."""
        ...

    def replaceable(self, before: str, first: str, other: str) -> bool:
        """Whether another sentence may stand in the place of the first version."""
        ...

    def by_rules(self, before: str, first: str, *, alone: bool) -> str | None:
        """A sentence for one that cannot be left out; None where it can be.

        Args:
            alone: Nothing else stands in its part of the text.
        """
        ...


@dataclass(eq=False)
class TextDraft:
    """The text about one image during decoding.

    Attributes:
        tokenizer: Of the model.
        verifier: Judges its sentences; None: they stand as they are written.
        text: The tokens that stand.
        rejected: The sentences that do not.
        sampled: Tokens that were written for samples.
        cut: The text was still going on when it had as many tokens as it may have.
        number: That of its row.
    """

    tokenizer: "PreTrainedTokenizerBase"
    verifier: TextVerifier | None = None
    text: Ids = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    sampled: int = 0
    cut: bool = False
    number: int = 0


@dataclass(eq=False)
class _Sample:
    """Another version of a sentence, and which token follows it once it is whole."""

    seed: bytes
    ids: Ids = field(default_factory=list)
    log: float = 0.0
    then: int | None = None
    done: bool = False


def decode(
    rows: DecodingRows, drafts: Sequence[TextDraft], end: int, most: int
) -> Iterator[list[tuple[int, int]]]:
    """Writes a text for each draft: at most `most` tokens, none of them `end`.

    Yields:
        What stands after each step: the draft, and its token.
    """
    found = rows.start()
    for number, draft in enumerate(drafts):
        draft.number = number
    texts = [_Text(rows, draft, end, most) for draft in drafts]
    owner = dict(enumerate(texts))
    while found:
        fed: dict[int, Fed] = {}
        for number, choice in found.items():
            text = owner[number]
            fed |= text.take(number, choice)
            owner |= dict.fromkeys(text.samples, text)
        if new := [(i, token) for i, text in enumerate(texts) for token in text.news()]:
            yield new
        found = rows.step(fed) if fed else {}
    rows.finish([draft.number for draft in drafts])


class _Text:
    """One draft in the loop: takes what the model chooses, and says what it shall read next."""

    def __init__(self, rows: DecodingRows, draft: TextDraft, end: int, most: int) -> None:
        self._rows, self._draft, self._end, self._most = rows, draft, end, most
        self._sentence: Ids = []
        self._read, self._told = 0, 0
        self._then, self._reason, self._length = end, "", 0
        self._empty, self._omitted = True, ""
        self.samples: dict[int, _Sample] = {}

    def take(self, number: int, choice: Choice) -> dict[int, Fed]:
        """What is read next, once a row has chosen its next token."""
        if number in self.samples:
            return self._take_sample(self.samples[number], number, choice)
        return self._go_on(choice.token)

    def news(self) -> Ids:
        """Tokens that have come to stand since the last call."""
        new = self._draft.text[self._told :]
        self._told += len(new)
        return new

    def _go_on(self, token: int) -> dict[int, Fed]:
        over = token == self._end or self._read >= self._most
        if self._sentence and (over or self._ends(self._sentence, token)):
            reason, verifier = self._refuted(self._sentence), self._draft.verifier
            if reason is None or verifier is None:
                self._settle(self._sentence)
            elif verifier.needless(self._string(self._sentence)):
                self._reason = reason
                self._leave_out()
            else:
                return self._sample(token, reason)
        if over:
            self._draft.cut = token != self._end
            self._complete_part()
            return {}
        self._read += 1
        if self._draft.verifier is None:
            self._stand([token])
        else:
            self._sentence.append(token)
        return {self._draft.number: Fed(token)}

    def _sample(self, token: int, reason: str) -> dict[int, Fed]:
        """Draws other versions of a refuted sentence; the row that wrote it waits with what it chose next."""
        self._then, self._reason = token, reason
        self._length = min(2 * len(self._sentence) + 8, self._most - self._read + len(self._sentence))
        numbers, first = self._rows.fork(self._draft.number, len(self._sentence) + 1, SAMPLES)
        for place, number in enumerate(numbers):
            self.samples[number] = _Sample(sha256(repr((self._draft.text, reason, place)).encode()).digest())
        return {number: self._fed(sample, first) for number, sample in self.samples.items()}

    def _take_sample(self, sample: _Sample, number: int, choice: Choice) -> dict[int, Fed]:
        ended = choice.token == self._end or self._ends(sample.ids, choice.token)
        if sample.ids and ended:
            sample.then = choice.token
        elif not ended and len(sample.ids) < self._length:
            sample.ids.append(choice.token)
            sample.log += choice.log
            self._draft.sampled += 1
            return {number: self._fed(sample, choice.token)}
        sample.done = True
        return self._choose() if all(one.done for one in self.samples.values()) else {}

    def _fed(self, sample: _Sample, token: int) -> Fed:
        """The token, and noise behind it: but not where the sentence ends, as what follows is not sampled."""
        if sample.ids and self._may_end(sample.ids):
            return Fed(token)
        return Fed(token, _gumbel(sample.seed, len(sample.ids), self._rows.vocabulary))

    def _choose(self) -> dict[int, Fed]:
        """The likeliest of the samples takes the sentence's place, if one may; else it is left out."""
        fits = [
            (number, place) for place, number in enumerate(self.samples) if self._fits(self.samples[number])
        ]
        best = max(fits, key=lambda pair: self._likelihood(*pair), default=None)
        for number in self.samples:
            if best is None or number != best[0]:
                self._rows.drop(number)
        chosen = None if best is None else self.samples[best[0]]
        self.samples = {}
        if best is None or chosen is None or chosen.then is None:
            self._leave_out()
            return self._go_on(self._then)
        self._reject(self._string(chosen.ids), best[1] + 1)
        self._rows.drop(self._draft.number)
        self._draft.number = best[0]
        self._read += len(chosen.ids) - len(self._sentence)
        self._settle(chosen.ids)
        return self._go_on(chosen.then)

    def _likelihood(self, number: int, place: int) -> tuple[float, int]:
        """By token: short sentences are not likelier for being short."""
        sample = self.samples[number]
        return round(sample.log / len(sample.ids), 4), -place

    def _fits(self, sample: _Sample) -> bool:
        verifier, before = self._draft.verifier, self._before
        first, other = self._string(self._sentence), self._string(sample.ids)
        if verifier is None or sample.then is None or not other.strip() or heading(other.strip()):
            return False
        if first[:1].isspace() != other[:1].isspace():  # it would be glued to what stands before it
            return False
        if _breaks(first) != _breaks(other) or not verifier.replaceable(before, first, other):
            return False
        return self._refuted(sample.ids) is None

    def _leave_out(self) -> None:
        first, before = self._string(self._sentence), self._before
        assert self._draft.verifier is not None
        if written := self._draft.verifier.by_rules(before, first, alone=False):
            written = f" {written}" if before else written
            self._reject(written)
            self._stand(self._encoded(written))
            self._empty = False
        else:
            self._reject()
            self._omitted = first
        if first.endswith("\n"):
            self._stand(self._encoded("\n\n"))
        self._sentence = []

    def _settle(self, ids: Ids) -> None:
        """A sentence or heading that stands; before a heading the part above it is looked at."""
        if heading(self._string(ids).strip()):
            self._complete_part()
            self._empty = True
        else:
            self._empty = False
        self._stand(ids)
        self._sentence = []

    def _complete_part(self) -> None:
        """A part of which every sentence was left out gets one."""
        verifier, first, self._omitted = self._draft.verifier, self._omitted, ""
        if verifier is None or not first or not self._empty:
            return
        if written := verifier.by_rules(self._before, first, alone=True):
            last = self._draft.rejected.pop()
            changed = {"replacement": written, "start": len(self._before) + 1}
            self._draft.rejected.append(last.model_copy(update=changed))
            self._stand(self._encoded(f" {written}"))

    def _refuted(self, ids: Ids) -> str | None:
        sentence = self._string(ids)
        if self._draft.verifier is None or heading(sentence.strip()):
            return None
        return self._draft.verifier.refuted(self._before, sentence)

    def _reject(self, replacement: str | None = None, sample: int | None = None) -> None:
        """Notes what does not stand, and what stands there instead: the latter with its white space."""
        instead = replacement and replacement.strip()
        blank = len(replacement or "") - len((replacement or "").lstrip())
        self._draft.rejected.append(
            Rejected(
                sentence=self._string(self._sentence).strip(),
                reason=self._reason,
                start=len(self._before) + (blank if self._before else 0),
                replacement=instead,
                sample=sample,
            )
        )

    def _stand(self, ids: Ids) -> None:
        self._draft.text += ids

    @property
    def _before(self) -> str:
        return self._decoded(self._draft.text).lstrip()

    def _string(self, ids: Ids) -> str:
        """The text of tokens that follow what stands."""
        before = self._decoded(self._draft.text)
        return self._decoded([*self._draft.text, *ids])[len(before) :]

    def _decoded(self, ids: Ids) -> str:
        return str(
            self._draft.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def _encoded(self, text: str) -> Ids:
        return [*self._draft.tokenizer.encode(text, add_special_tokens=False)]

    def _ends(self, ids: Ids, token: int) -> bool:
        """Whether a sentence ends behind `ids`, of which the next token is `token`."""
        if not ids or not (self._may_end(ids) or "\n" in self._decoded([token])):
            return False
        before = self._decoded(ids)
        return not before.endswith(_HALF) and ends_here(before, self._decoded([*ids, token])[len(before) :])

    def _may_end(self, ids: Ids) -> bool:
        return ends_here(self._decoded(ids), " ")


def _breaks(sentence: str) -> tuple[bool, bool]:
    """Whether a sentence begins or ends a line."""
    return sentence[: -len(sentence.lstrip())].count("\n") > 0, sentence.endswith("\n")


def _gumbel(seed: bytes, place: int, size: int) -> "NDArray[np.float32]":
    """[size] noise: the largest sum with the logits is a draw at `TEMPERATURE`, the same on every machine."""
    key = int.from_bytes(sha256(seed + place.to_bytes(4, "big")).digest()[:16], "big")
    drawn = uniform(np.random.Philox(key=key).random_raw(size))
    noise: NDArray[np.float32] = np.float32(-TEMPERATURE) * np.log(-np.log(drawn))
    return noise


def uniform(bits: "NDArray[np.uint64]") -> "NDArray[np.float32]":
    """Draws between 0 and 1 of random bits, without either: the noise of 1 would be endless.

    >>> bool((uniform(np.array([0, 2**64 - 1], np.uint64)) == (2.0**-25, 1 - 2.0**-24)).all())
    True
    """
    drawn = ((bits >> np.uint64(40)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
    return np.minimum(drawn, np.float32(1.0 - 2.0**-24))  # the last would be rounded to 1
