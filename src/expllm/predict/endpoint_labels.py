"""The label of a model that a server runs, with its probabilities where the server gives any.

Three ways, the best that the server offers. **By the prompt**: each label stands as the answer in a prompt of
its own, and the server says how likely its tokens are (vLLM's `prompt_logprobs`); these are the model's own
scores. **By first tokens**: the likeliest beginnings of the answer (OpenAI's `top_logprobs`), if every label
of the set is among them. **As written**: the label alone, without probabilities.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from expllm.chat import BadRequest, ChatFailed, Message, OpenAIChat, Reply, Token
from expllm.core.vocabulary import Expression
from expllm.model.served_model import ServedModel
from expllm.predict.chat import all_of

LIKELIEST: Final = 20
"""Beginnings of an answer that are asked for: the most that OpenAI and vLLM give."""
BY_PROMPT: Final = {"prompt_logprobs": 0}
BY_FIRST_TOKENS: Final = {"logprobs": True, "top_logprobs": LIKELIEST}


@dataclass(frozen=True)
class ServedLabel:
    """A label as a server gives it.

    Attributes:
        label: None where the answer is not one of the set.
        sums: [C] natural logarithms of the probabilities of each label, not normalised; None: not known.
        answer: Word for word.
    """

    label: Expression | None
    sums: tuple[float, ...] | None = None
    answer: str = ""


Way = Callable[[Sequence[Message]], Awaitable[ServedLabel]]


class NotOffered(Exception):  # noqa: N818 - named for what happened
    """The server gives no probabilities in this way."""


class LabelScorer:
    """Asks one server for labels; which way it offers is found out at the first question.

    Args:
        chat: The server; temperature 0.
        served: The model there.
    """

    def __init__(self, chat: OpenAIChat, served: ServedModel) -> None:
        self._served, self._plain = served, chat
        self._prompting, self._scoring = chat.with_extra(BY_PROMPT), chat.with_extra(BY_FIRST_TOKENS)
        self._way: Way | None = None
        self._lock = asyncio.Lock()
        self._longest = max(map(len, served.words))

    async def ask(self, question: Sequence[Message]) -> ServedLabel:
        """The label that answers a question.

        Raises:
            ChatError, ChatFailed: as `OpenAIChat.ask`.
        """
        if self._way is None:
            async with self._lock:
                if self._way is None:
                    self._way = await self._best_way(question)
        return await self._way(question)

    async def scores(self, question: Sequence[Message]) -> bool:
        """Whether the server gives probabilities."""
        await self.ask(question)
        return self._way != self.written

    async def _best_way(self, question: Sequence[Message]) -> Way:
        ways: tuple[Way, ...] = (self._by_prompt, self._by_first_tokens)
        for way in ways:
            try:
                await way(question)
            except (NotOffered, BadRequest):
                continue
            except ChatFailed as failed:
                # It refuses this question alone; or it ignores what it is asked for, and behind an answer
                # that is complete the model has nothing to write.
                if not failed.reason.startswith(("http-4", "empty", "out-of-tokens")):
                    raise
                continue
            return way
        return self.written

    async def _by_prompt(self, question: Sequence[Message]) -> ServedLabel:
        answers = [[*question, Message("assistant", label.value)] for label in self._served.labels]
        if self._way is None:  # one question tells whether the server gives them
            await self._prompting.ask(answers[0], max_tokens=1)
        replies = await all_of(self._prompting.ask(one, max_tokens=1) for one in answers)
        rows = zip(replies, self._served.words, strict=True)
        sums = tuple(_sum_of(reply.prompt, ids) for reply, ids in rows)
        return self._likeliest(sums)

    async def _by_first_tokens(self, question: Sequence[Message]) -> ServedLabel:
        begun = self._served.beginnings
        if begun is None:
            raise NotOffered
        reply = await self._scoring.ask(question, max_tokens=self._longest)
        if not reply.tokens or not reply.tokens[0].others:
            raise NotOffered
        found = [_log_of(reply.tokens[0], text) for text in begun]
        known = tuple(log for log in found if log is not None)
        return self._read(reply) if len(known) < len(found) else self._likeliest(known, reply.text)

    async def written(self, question: Sequence[Message]) -> ServedLabel:
        """The label that the model writes."""
        return self._read(await self._plain.ask(question, max_tokens=self._longest))

    def _read(self, reply: Reply) -> ServedLabel:
        word = reply.text.strip().casefold().rstrip(".")
        label = next((one for one in self._served.labels if one.value == word), None)
        return ServedLabel(label, None, reply.text)

    def _likeliest(self, sums: tuple[float, ...], answer: str = "") -> ServedLabel:
        best = self._served.labels[sums.index(max(sums))]
        return ServedLabel(best, sums, answer or best.value)


def _sum_of(prompt: Sequence[Token], ids: Sequence[int]) -> float:
    """Logarithm of the probability of some ids, where they stand last in a prompt.

    Raises:
        NotOffered: the server does not say, or they do not stand there.
    """
    known = [token.id for token in prompt]
    for start in range(len(known) - len(ids), -1, -1):
        if known[start : start + len(ids)] == [*ids]:
            return math.fsum(token.logprob for token in prompt[start : start + len(ids)])
    raise NotOffered


def _log_of(token: Token, text: str) -> float | None:
    """Logarithm of the probability of a beginning, if it is among the likeliest.

    Servers write the space before a token in several ways: it counts only where two differ in nothing else.
    """
    if text in token.others:
        return token.others[text]
    alike = [log for other, log in token.others.items() if _plain(other) == _plain(text)]
    return max(alike, default=None)


def _plain(text: str) -> str:
    return text.replace("\u2581", " ").strip()


def normalised(sums: Sequence[float], temperature: float = 1.0) -> tuple[float, ...]:
    """Logarithms over the set, which add up to a probability of 1.

    >>> [round(math.exp(log), 3) for log in normalised([-1.0, -1.0, -1.0 - math.log(2)])]
    [0.4, 0.4, 0.2]
    """
    scaled = [one / temperature for one in sums]
    most = max(scaled)
    whole = most + math.log(math.fsum(math.exp(one - most) for one in scaled))
    return tuple(one - whole for one in scaled)
