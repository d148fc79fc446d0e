"""Asks a judge about pairs of texts: in both orders, several times, journaled and resumable.

Scores are read from the replies in its journal when they are shown.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from expllm import __version__
from expllm.chat import ChatModel, Message, Reply, Usage
from expllm.cot.sample_session import key_of
from expllm.evals import journaled_questions
from expllm.evals.journaled_questions import FORMAT, Asker, QuestionRun
from expllm.evals.judge.rubric import JudgeFile


@dataclass(frozen=True)
class TextPair:
    """Two texts about one face.

    Attributes:
        id: Unique in its run.
        reference: What is held to be right; the judge is not told which one it is.
        candidate: What is judged.
    """

    id: str
    reference: str
    candidate: str


@dataclass(frozen=True)
class JudgeQuery:
    """One question about a pair.

    Attributes:
        swapped: The candidate comes first.
        repeat: 0 for the first time.
    """

    pair: TextPair
    swapped: bool
    repeat: int

    @property
    def id(self) -> str:
        return f"{self.pair.id} {'candidate' if self.swapped else 'reference'} first, {self.repeat + 1}"

    @property
    def texts(self) -> tuple[str, str]:
        """As the judge reads them."""
        texts = self.pair.reference, self.pair.candidate
        return texts[::-1] if self.swapped else texts


def readings_of(pair: TextPair, repeats: int) -> Iterator[JudgeQuery]:
    """Both orders of a pair, each `repeats` times."""
    return (JudgeQuery(pair, swapped, repeat) for repeat in range(repeats) for swapped in (False, True))


class JudgeSettings(journaled_questions.RecordedSettings):
    """Who judges, and what it is asked.

    Attributes:
        judge: `chat:NAME`, or `scripted`.
        base_url: Of the server.
        file: The judge's file, whole; the scores are read by it.
        prompt_hash: SHA-256 of it.
        repeats: How often each order is asked.
        temperature: Of the judge's sampling.
        seed: Of its first time; the others follow.
        max_tokens: Of a reply, where it was given; else the file's.
    """

    judge_format: int = FORMAT
    expllm: str = __version__
    judge: str
    base_url: str | None = None
    file: str
    prompt_hash: str
    repeats: int = 1
    temperature: float | None = None
    seed: int | None = None
    max_tokens: int | None = None


Judge = Asker[JudgeQuery]
"""Whoever compares two texts."""


class ChatJudge:
    """A language model.

    Args:
        chats: One a repeat, of different seeds: a cache would give the same reply to the same request.
        file: What it is asked.
        max_tokens: Of a reply; None takes the file's.
    """

    def __init__(self, chats: Sequence[ChatModel], file: JudgeFile, max_tokens: int | None = None) -> None:
        self._chats, self._file = chats, file
        self._max_tokens = file.max_tokens if max_tokens is None else max_tokens

    async def ask(self, reading: JudgeQuery) -> Reply:
        asked = [Message("user", self._file.prompt(*reading.texts))]
        return await self._chats[reading.repeat].ask(asked, max_tokens=self._max_tokens)

    def key(self, reading: JudgeQuery) -> tuple[str, ...]:
        return (self._chats[0].identity, str(reading.repeat), self._file.prompt(*reading.texts))

    async def close(self) -> None:
        for chat in self._chats:
            await chat.close()


class RuleJudge:
    """A judge by rules.

    Args:
        name: What it is called.
        rule: The reply to two texts.
    """

    def __init__(self, name: str, rule: Callable[[str, str], str]) -> None:
        self._name, self._rule = name, rule

    async def ask(self, reading: JudgeQuery) -> Reply:
        text = self._rule(*reading.texts)
        return Reply(text, self._name, "stop", Usage(0, 0), 0.0, 0.0, 0, refused=False, cached=False)

    def key(self, reading: JudgeQuery) -> tuple[str, ...]:
        return (self._name, str(reading.repeat), "\n\n".join(reading.texts))

    async def close(self) -> None:
        return None


class JudgeRun(QuestionRun[JudgeQuery, JudgeSettings]):
    """The folder of a judge."""

    kind = JudgeSettings
    version = "judge_format"
    step = "Judge"

    @classmethod
    def within(cls, run: Path, passport: JudgeSettings) -> "JudgeRun":
        """The folder of this judge in a run's: another one for all that gives other verdicts."""
        values = passport.to_dict()
        parts = (str(values[name]) for name in ("judge", "prompt_hash", "repeats", "temperature", "seed"))
        name = re.sub(r"[^\w.@-]+", "-", passport.judge)
        return cls(run / f"judge-{name}-{key_of(parts)[:8]}")

    @classmethod
    def all_in(cls, run: Path) -> list["JudgeRun"]:
        """Every judge that was asked about a run."""
        return cls.all_under(run, "judge-*")
