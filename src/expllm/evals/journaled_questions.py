"""Asks a model many questions about what is saved in a run: journaled, resumable, each question once.

The folder of a model that was asked lies inside the run that it was asked about. It holds `run.json`, who was
asked what and when (its passport), and `journal.sqlite`, every reply word for word.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar, cast

from expllm.chat import ChatFailed, Reply
from expllm.core.errors import RecordError
from expllm.core.records import Record
from expllm.cot.calls import CallWorkers, Named, SampleEnding
from expllm.cot.journal import Journal, JournalReader, SampleOutcome
from expllm.cot.sample_session import Filtered, RunBudget, SampleSession
from expllm.files.runs import RunError, RunFolder

FORMAT: Final = 1
"""Format of the folder of a model that was asked."""
_CHANGEABLE: Final = frozenset({"base_url", "max_tokens"})
_FILTERED: Final = "a filter at the server declined"

Question_contra = TypeVar("Question_contra", bound=Named, contravariant=True)
_Asked = TypeVar("_Asked", bound=Named)


class RecordedSettings(Record):
    """Who is asked, and what; subclasses add what else the replies depend on.

    Attributes:
        begun: The day, UTC.
    """

    expllm: str
    begun: str = ""


_Who = TypeVar("_Who", bound=RecordedSettings)


class Asker(Protocol[Question_contra]):
    """Puts questions to a model."""

    async def ask(self, question: Question_contra) -> Reply:
        """The model's reply.

        Raises:
            ChatFailed: none came; others may.
            ChatError: nothing can be asked at all.
        """
        ...

    def key(self, question: Question_contra) -> tuple[str, ...]:
        """All that the reply depends on; the last text is what a person reads in the journal."""
        ...

    async def close(self) -> None: ...


class QuestionRun(Generic[_Asked, _Who]):
    """The folder of a model that is asked.

    Args:
        path: Made when it is asked first.

    Attributes:
        kind: Its passport.
        version: The passport's field that holds `FORMAT`.
        step: What a question is called in the journal.
    """

    kind: ClassVar[type[RecordedSettings]]
    version: ClassVar[str]
    step: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)

    @classmethod
    def all_under(cls, run: Path, names: str) -> list[Self]:
        """Every model that was asked about a run, in folders with such names."""
        return [cls(path.parent) for path in sorted(run.glob(f"{names}/run.json"))]

    def passport(self) -> _Who:
        """Who was asked what.

        Raises:
            RunError: it is of another version, or cannot be read.
        """
        found = self.folder.settings()
        if found.get(self.version) != FORMAT:
            raise RunError(
                f"{self.folder.path}: of format {found.get(self.version)}, and this is format {FORMAT}: "
                f"use the version of expllm that asked this {self.step.lower()}, or delete the folder and "
                "ask again"
            )
        try:
            read = self.kind.from_dict({name: value for name, value in found.items() if name != "format"})
        except RecordError as error:
            raise RunError(f"{self.folder.settings_file}: {error}: delete the folder, ask again") from None
        return cast("_Who", read)

    def begin(self, passport: _Who) -> None:
        """Begins, or goes on.

        Raises:
            OutputError: the folder cannot be written.
            RunError: it was begun otherwise.
        """
        if not self.folder.exists:
            today = datetime.now(UTC).date().isoformat()
            self.folder.begin(passport.model_copy(update={"begun": today}).to_dict())
            return
        begun: RecordedSettings = self.passport()
        again = passport.model_copy(update={"begun": begun.begun, "expllm": begun.expllm})
        self.folder.resume(again.to_dict(), _CHANGEABLE)

    def open(self, questions: Sequence[_Asked], *, failed: bool = False) -> int:
        """How many of them have no reply yet; calls that failed among them if they are to be asked again."""
        if not self.folder.journal.exists():
            return len(questions)
        with closing(JournalReader(self.folder.journal)) as reader:
            ended = {one.sample for one in reader.outcomes() if not failed or one.status != "failed"}
        return sum(question.id not in ended for question in questions)

    async def ask(
        self,
        asker: Asker[_Asked],
        questions: Sequence[_Asked],
        gate: RunBudget,
        on_outcome: Callable[[SampleOutcome], None] = lambda _: None,
        *,
        retry_failed: bool = False,
    ) -> None:
        """Asks what has no reply yet. Returns when all is answered or no further call may begin.

        Args:
            asker: Who is asked.
            questions: The questions.
            gate: How many calls may be under way, and until when any may begin.
            on_outcome: Told of each reply, and of each call that failed.
            retry_failed: Ask again where a call had failed.

        Raises:
            ChatError: nothing can be asked at all.
            OutputError: the journal cannot be written.
        """

        async def treat(question: _Asked, memory: SampleSession) -> SampleEnding:
            key = asker.key(question)
            try:
                call = await memory.ask(self.step, key[-1], key, lambda: asker.ask(question))
            except ChatFailed as failed:
                return "failed", failed.reason, {"said": failed.detail}
            except Filtered as filtered:
                return "filtered", None, {"said": str(filtered)}
            return "answered", None, {"text": call.text}

        with closing(Journal(self.folder.journal)) as journal:
            if retry_failed:
                with closing(JournalReader(self.folder.journal)) as reader:
                    reader.reopen_failed()
            await CallWorkers(treat, journal, gate, on_outcome).run(enumerate(questions))

    def replies(self) -> "Replies":
        """All that was replied so far.

        Raises:
            RunError: the journal cannot be read.
        """
        found = Replies()
        if self.folder.journal.exists():
            with closing(JournalReader(self.folder.journal)) as reader:
                found.read(reader)
        return found


@dataclass
class Replies:
    """What the journal of a model that was asked holds.

    Attributes:
        texts: Replies by the id of their question.
        unanswered: Why a question that was asked has no reply, by its id.
        said: The same reason -> what the server said of one of them.
        models: Who replied, as the server names it.
        tokens: Asked and answered, as the server counted; None where it did not.
        cost: USD; None where a price is not known.
    """

    texts: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    tokens: tuple[int | None, int | None] = (0, 0)
    cost: float | None = 0.0

    @property
    def ended(self) -> set[str]:
        """Questions that were asked."""
        return self.texts.keys() | self.unanswered.keys()

    def read(self, reader: JournalReader) -> None:
        """Takes over what a journal holds."""
        for outcome in reader.outcomes():
            if outcome.status not in ("failed", "filtered"):
                self.texts[outcome.sample] = outcome.record["text"]
                continue
            why = _FILTERED if outcome.status == "filtered" else f"the call failed: {outcome.reason}"
            self.unanswered[outcome.sample] = why
            if said := outcome.record.get("said"):
                self.said.setdefault(why, said)
        models = reader.db.execute("SELECT DISTINCT model FROM calls WHERE model IS NOT NULL ORDER BY model")
        self.models = tuple(name for (name,) in models)
        calls = reader.db.execute("SELECT prompt_tokens, completion_tokens, cost FROM calls").fetchall()
        asked, answered, cost = ([row[place] for row in calls] for place in range(3))
        self.tokens, self.cost = (_sum(asked), _sum(answered)), _sum(cost)


def _sum(values: Sequence[Any]) -> Any:
    """None where one of them is not known."""
    return None if None in values else sum(values)
