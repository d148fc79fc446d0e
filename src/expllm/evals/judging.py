"""Asks a judge about pairs of texts: in both orders, several times, journaled and resumable.

A judge's folder lies inside the run that it judges. It holds `run.json`, who was asked what and when (its
passport), and `journal.sqlite`, every reply word for word: scores are read from there when they are shown.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from expllm import __version__
from expllm.chat import ChatFailed, ChatModel, Message, Reply, Usage
from expllm.cot.journal import Journal, JournalReader, Outcome
from expllm.cot.memory import Filtered, Gate, Memory, key_of
from expllm.cot.workers import Ending, Workers
from expllm.errors import RecordError
from expllm.evals.judge import JudgeFile
from expllm.records import Record
from expllm.runs import RunError, RunFolder

FORMAT: Final = 1
"""Format of a judge's folder."""
CHANGEABLE: Final = frozenset({"base_url", "max_tokens"})
_STEP: Final = "Judge"


@dataclass(frozen=True)
class Pair:
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
class Reading:
    """One question about a pair.

    Attributes:
        swapped: The candidate comes first.
        repeat: 0 for the first time.
    """

    pair: Pair
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


def readings_of(pair: Pair, repeats: int) -> Iterator[Reading]:
    """Both orders of a pair, each `repeats` times."""
    return (Reading(pair, swapped, repeat) for repeat in range(repeats) for swapped in (False, True))


class Passport(Record):
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
        begun: The day, UTC.
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
    begun: str = ""


class Judge(Protocol):
    """Whoever compares two texts."""

    async def ask(self, reading: Reading) -> Reply:
        """The judge's reply.

        Raises:
            ChatFailed: none came; others may.
            ChatError: nothing can be asked at all.
        """
        ...

    def key(self, reading: Reading) -> tuple[str, ...]:
        """All that the reply depends on; the last text is what a person reads in the journal."""
        ...

    async def close(self) -> None: ...


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

    async def ask(self, reading: Reading) -> Reply:
        asked = [Message("user", self._file.prompt(*reading.texts))]
        return await self._chats[reading.repeat].ask(asked, max_tokens=self._max_tokens)

    def key(self, reading: Reading) -> tuple[str, ...]:
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

    async def ask(self, reading: Reading) -> Reply:
        text = self._rule(*reading.texts)
        return Reply(text, self._name, "stop", Usage(0, 0), 0.0, 0.0, 0, refused=False, cached=False)

    def key(self, reading: Reading) -> tuple[str, ...]:
        return (self._name, str(reading.repeat), "\n\n".join(reading.texts))

    async def close(self) -> None:
        return None


class JudgeRun:
    """The folder of a judge.

    Args:
        path: Made when it is asked first.
    """

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)

    @classmethod
    def within(cls, run: Path, passport: Passport) -> "JudgeRun":
        """The folder of this judge in a run's: another one for all that gives other verdicts."""
        values = passport.to_dict()
        parts = (str(values[name]) for name in ("judge", "prompt_hash", "repeats", "temperature", "seed"))
        name = re.sub(r"[^\w.@-]+", "-", passport.judge)
        return cls(run / f"judge-{name}-{key_of(parts)[:8]}")

    @classmethod
    def all_in(cls, run: Path) -> list["JudgeRun"]:
        """Every judge that was asked about a run."""
        return [cls(path.parent) for path in sorted(run.glob("judge-*/run.json"))]

    def passport(self) -> Passport:
        """Who was asked what.

        Raises:
            RunError: it is of another version, or cannot be read.
        """
        found = self.folder.settings()
        if found.get("judge_format") != FORMAT:
            raise RunError(
                f"{self.folder.path}: of format {found.get('judge_format')}, and this is format {FORMAT}: "
                "use the version of expllm that asked this judge, or delete the folder and ask again"
            )
        try:
            return Passport.from_dict({name: value for name, value in found.items() if name != "format"})
        except RecordError as error:
            raise RunError(f"{self.folder.settings_file}: {error}: delete the folder, ask again") from None

    def begin(self, passport: Passport) -> None:
        """Begins, or goes on.

        Raises:
            OutputError: the folder cannot be written.
            RunError: it was begun otherwise.
        """
        if not self.folder.exists:
            today = datetime.now(UTC).date().isoformat()
            self.folder.begin(passport.model_copy(update={"begun": today}).to_dict())
            return
        begun = self.passport()
        again = passport.model_copy(update={"begun": begun.begun, "expllm": begun.expllm})
        self.folder.resume(again.to_dict(), CHANGEABLE)

    def open(self, readings: Sequence[Reading], *, failed: bool = False) -> int:
        """How many of them have no reply yet; calls that failed among them if they are to be asked again."""
        if not self.folder.journal.exists():
            return len(readings)
        with closing(JournalReader(self.folder.journal)) as reader:
            ended = {one.sample for one in reader.outcomes() if not failed or one.status != "failed"}
        return sum(reading.id not in ended for reading in readings)

    async def ask(
        self,
        judge: Judge,
        readings: Sequence[Reading],
        gate: Gate,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        *,
        retry_failed: bool = False,
    ) -> None:
        """Asks what has no reply yet. Returns when all is answered or no further call may begin.

        Args:
            judge: Who is asked.
            readings: The questions.
            gate: How many calls may be under way, and until when any may begin.
            on_outcome: Told of each reply, and of each call that failed.
            retry_failed: Ask again where a call had failed.

        Raises:
            ChatError: nothing can be asked at all.
            OutputError: the journal cannot be written.
        """

        async def treat(reading: Reading, memory: Memory) -> Ending:
            key = judge.key(reading)
            try:
                call = await memory.ask(_STEP, key[-1], key, lambda: judge.ask(reading))
            except ChatFailed as failed:
                return "failed", failed.reason, {"said": failed.detail}
            except Filtered as filtered:
                return "filtered", None, {"said": str(filtered)}
            return "answered", None, {"text": call.text}

        with closing(Journal(self.folder.journal)) as journal:
            if retry_failed:
                with closing(JournalReader(self.folder.journal)) as reader:
                    reader.reopen_failed()
            await Workers(treat, journal, gate, on_outcome).run(enumerate(readings))
