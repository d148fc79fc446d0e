"""One sample's session: its conversation so far, and the single path for calls to the writer.

Every call goes through [`ask`][expllm.cot.sample_session.SampleSession.ask]. A reply that the journal already
holds is replayed from there: a killed run resumes by taking the same steps again and pays for no call twice.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from expllm.chat import ChatFailed, Message, Reply
from expllm.chat.chat_errors import AnswersLater
from expllm.core.errors import ExpllmError
from expllm.core.vocabulary import Expression
from expllm.cot.journal import Call, JournalRow, JournalVerdict

if TYPE_CHECKING:
    from expllm.grounding import Audit


class Paused(Exception):  # noqa: N818 - no error: the run was asked to end, or its budget is spent
    """No further call may begin; the sample goes on when the run is resumed."""


class Filtered(Exception):  # noqa: N818 - an ending of a sample, not a fault of the program
    """A filter at the server stopped the question, as it would stop it again; the text is what it said."""


class JournalMismatch(ExpllmError):  # noqa: N818
    """The journal answers another question than the one that is asked."""


class Sink(Protocol):
    """Takes rows and returns when they are durable."""

    async def add(self, row: JournalRow) -> None: ...


class RunBudget:
    """Decides whether a call may begin: shared by all samples of a run.

    Args:
        concurrency: Calls under way at once.
        budget: USD that may be spent, earlier sessions counted in; None for no bound.
        on_stop: Called when the run is asked to end: calls that would take hours need not be waited for.

    Attributes:
        pending: What lies at the server and takes hours, in a few words; empty where nothing does.
        spent_before: USD by other journals of the same run.
        spent: USD so far.
        stopping: No further call may begin.
        calls: Calls that this session has made.
    """

    def __init__(
        self,
        concurrency: int = 64,
        budget: float | None = None,
        on_stop: Callable[[], None] = lambda: None,
        pending: Callable[[], str] = str,
    ) -> None:
        self.concurrency = concurrency
        self.budget = budget
        self.pending = pending
        self._on_stop = on_stop
        self.spent_before = 0.0
        self.spent = 0.0
        self.stopping = False
        self.calls = 0
        self._slots = asyncio.Semaphore(concurrency)

    @property
    def broke(self) -> bool:
        return self.budget is not None and self.spent >= self.budget

    @property
    def closed(self) -> bool:
        return self.stopping or self.broke

    def stop(self) -> bool:
        """Lets no further call begin; whether that was so before."""
        before, self.stopping = self.stopping, True
        if not before:
            self._on_stop()
        return before

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A place among the calls under way.

        Raises:
            Paused: no call may begin.
        """
        async with self._slots:
            if self.closed:
                raise Paused
            yield

    def count(self, call: Call) -> None:
        """Adds what a call took, before its place is free: the budget is overshot by calls under way only."""
        self.spent += call.cost or 0.0
        self.calls += 1


class SampleSession:
    """The conversation about one sample, backed by the journal.

    Args:
        sample: Its id.
        sink: The journal.
        gate: Limits concurrency and spending.
        recorded: Calls that the journal already holds, in their order.
        next_number: The number of the first call that it does not hold.
    """

    def __init__(
        self, sample: str, sink: Sink, gate: RunBudget, recorded: Sequence[Call] = (), next_number: int = 0
    ) -> None:
        self.sample = sample
        self.conversation: list[Message] = []
        self.round = 1
        self.refusals = 0
        self.model: str | None = None
        self.description = ""
        self.report: Audit | None = None
        self.mistimed: tuple[str, ...] = ()
        self.guess: Expression | None = None
        self._sink = sink
        self._gate = gate
        self._recorded = deque(recorded)
        self._number = max(next_number, len(recorded))
        self._verdicts = 0

    def begin_draft(self, number: int) -> None:
        """Forgets what was said: one of several drafts begins, and none knows of another."""
        self.conversation, self.round = [], number
        self.description, self.report, self.mistimed, self.guess = "", None, (), None

    async def ask(
        self, step: str, prompt: str, key: Iterable[str], answer: Callable[[], Awaitable[Reply]]
    ) -> Call:
        """The answer to a question, from the journal or from `answer`, journaled before it is returned.

        Args:
            step: One of the six processes.
            prompt: What a person reads when looking at the journal.
            key: All that the answer depends on.
            answer: Asks the writer.

        Raises:
            ChatFailed: no answer came; the journal says so.
            Filtered: a filter at the server declined; the journal has it as a refusal.
            Paused: no call may begin.
            AnotherRun: the journal holds the answer to another question here.
        """
        digest = key_of(key)
        if self._recorded:
            call = self._recorded.popleft()
            if (call.step, call.key) != (step, digest):
                raise JournalMismatch(
                    f"the journal's call {call.number} of {self.sample} asked something else ({call.step}): "
                    "the run was made by other prompts or another version; choose another folder"
                )
        else:
            async with self._gate.slot():
                call = await self._new_call(step, prompt, digest, answer)
                self._gate.count(call)
            await self._sink.add(call)
        self.refusals += call.refused
        self.model = call.model or self.model
        if call.failure:
            raise ChatFailed(call.failure, attempts=call.attempts, detail=call.text)
        if call.filtered:
            raise Filtered(call.text or call.finish)
        return call

    async def verdict(self, step: str, passed: bool, **detail: object) -> None:
        """Writes down what a check said; taken again on a resumed run, it is the same row."""
        await self._sink.add(JournalVerdict(self.sample, self._verdicts, self.round, step, passed, detail))
        self._verdicts += 1

    async def _new_call(
        self, step: str, prompt: str, digest: str, answer: Callable[[], Awaitable[Reply]]
    ) -> Call:
        number, self._number = self._number, self._number + 1
        try:
            reply = await answer()
        except AnswersLater:
            raise Paused from None
        except ChatFailed as failed:
            return Call(
                self.sample, number, step, self.round, digest, prompt, storable(failed.detail), failed.reason,
                prompt_tokens=failed.usage.prompt_tokens, completion_tokens=failed.usage.completion_tokens,
                cost=failed.cost, seconds=failed.seconds, attempts=failed.attempts,
            )  # fmt: skip
        return Call(
            self.sample, number, step, self.round, digest, prompt, storable(reply.text),
            model=reply.model, finish=reply.finish, prompt_tokens=reply.usage.prompt_tokens,
            completion_tokens=reply.usage.completion_tokens, cost=reply.cost, seconds=reply.seconds,
            attempts=reply.attempts, refused=reply.refused, cached=reply.cached,
        )  # fmt: skip


def storable(text: str) -> str:
    """The text without lone surrogates, which neither a database nor a file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def key_of(parts: Iterable[str]) -> str:
    """SHA-256 of texts in their order; where one ends and the next begins counts too."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(data), data))
    return digest.hexdigest()
