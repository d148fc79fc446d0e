"""Questions collected into batches: half the price, for whoever can wait up to a day for each step.

All questions that wait at one time go into one batch; those who asked them wait for its answers. A process
that ends meanwhile loses nothing: what lies at the server is in the ledger, and the same question of the next
process waits for the same batch.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.chat.address import Address
from expllm.chat.attempts import CallProgress, Request
from expllm.chat.batch_files import MOST_LINES, BatchAnswerLine, answers, question_files, question_line
from expllm.chat.batch_service import FILE_SECONDS, LIMITED, LONGEST, Batch, BatchService
from expllm.chat.chat_errors import AnswersLater, BadRequest, ChatFailed
from expllm.chat.outcomes import Completion, FailedAttempt
from expllm.chat.prices import Prices
from expllm.chat.protocol import body_key
from expllm.chat.replies import parse_reply
from expllm.chat.retries import Backoff
from expllm.chat.transport import Transport, TransportError

if TYPE_CHECKING:
    from expllm.chat.batch_ledger import OpenBatch

DISCOUNT: Final = 0.5
"""What a batch costs beside direct questions (OpenAI's and others' price lists)."""


@dataclass(frozen=True)
class BatchTimes:
    """When batches are sent and looked at, in seconds.

    Attributes:
        quiet: A batch is sent when no question has come for so long.
        poll: Between looks at the server, at first; it grows by half each time that nothing has ended.
        longest: Between looks, at most.
        held: Until a batch is sent again that the server had no room for.
    """

    quiet: float = 5.0
    poll: float = 5.0
    longest: float = 60.0
    held: float = 300.0


@dataclass(frozen=True)
class BatchPlan:
    """Ask through the Batch API.

    Attributes:
        ledger: File that remembers what lies at the server; it is made if need be.
        lines: Questions of a batch, at most.
        times: When batches are sent and looked at.
    """

    ledger: Path
    lines: int = MOST_LINES
    times: BatchTimes = field(default_factory=BatchTimes)


@dataclass
class _Queue:
    """Questions that wait for answers.

    Attributes:
        waiting: By key, what those who asked wait for.
        bodies: The requests of all that wait.
        unsent: Keys that lie in no batch yet.
        last: When the last question came, on the loop's clock.
    """

    waiting: dict[str, asyncio.Future[BatchAnswerLine]] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    unsent: dict[str, None] = field(default_factory=dict)
    last: float = 0.0

    def add(self, key: str, body: bytes, *, sent: bool) -> asyncio.Future[BatchAnswerLine]:
        loop = asyncio.get_running_loop()
        if key not in self.waiting:
            self.waiting[key], self.bodies[key] = loop.create_future(), body
            if not sent:
                self.unsent[key] = None
        self.last = loop.time()
        return self.waiting[key]

    def settle(self, key: str, answer: BatchAnswerLine) -> None:
        self.bodies.pop(key, None)
        future = self.waiting.pop(key, None)
        if future is not None and not future.done():
            future.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Tells all who wait."""
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # somebody may have left already: an error that nobody hears is no warning
        self.waiting.clear()
        self.bodies.clear()
        self.unsent.clear()


class BatchClient:
    """Settles requests by batches; the counterpart of `RetryingClient`.

    Args:
        model: What is asked for.
        address: Where.
        service: The Batch API there.
        plan: The ledger, and when batches are sent.
        most: How often a question is asked, at most.
        prices: USD by model, of batches.

    Attributes:
        limit_name: As of `RetryingClient`.
    """

    def __init__(
        self,
        model: str,
        address: Address,
        service: BatchService,
        plan: BatchPlan,
        *,
        most: int,
        prices: Prices,
    ) -> None:
        from expllm.chat.batch_ledger import BatchLedger  # SQLite is loaded where it is needed

        self._model, self._address, self._service = model, address, service
        self._plan, self._most, self._prices = plan, most, prices
        self.limit_name = address.dialect.limit
        self._ledger = BatchLedger(plan.ledger)
        self._queue = _Queue()
        self._keeper: asyncio.Task[None] | None = None
        self._left = self._closed = False
        self._held_until = 0.0
        self._done: dict[str, int] = {}

    @classmethod
    def of(
        cls, model: str, address: Address, plan: BatchPlan, backoff: Backoff, most: int, prices: Prices
    ) -> "BatchClient":
        """With connections of its own, which take files."""
        transport = Transport(address, timeout=FILE_SECONDS, between_bytes=60.0, most_bytes=LONGEST)
        service = BatchService(model, address, transport, backoff, most)
        return cls(model, address, service, plan, most=most, prices=prices)

    async def settle(
        self, request: Request, probe: Callable[[], Request], course: CallProgress
    ) -> Completion | FailedAttempt:
        """As `RetryingClient.settle`; nothing is probed, as a batch is no place for that.

        Raises:
            AnswersLater: the process is to end.
            ChatFailed, ChatError: as there.
        """
        key = body_key(request.body)
        while True:
            course.attempts += 1
            outcome = self._outcome(await self._answer(key, request.body), request)
            course.count(outcome.usage)
            if isinstance(outcome, Completion) and not outcome.refused:
                return outcome
            self._ledger.forget(key)  # asked again, it may be answered
            if isinstance(outcome, Completion) or outcome.limit_name is not None:
                return outcome
            if not outcome.again or course.attempts >= self._most:
                raise ChatFailed(
                    outcome.reason, course.attempts, detail=outcome.detail, usage=course.usage,
                    cost=self._prices.cost(self._model, course.usage), seconds=course.seconds,
                )  # fmt: skip

    def leave(self) -> None:
        """Lets all who wait go: the answers stay at the server, and the next process fetches them."""
        self._left = True
        self._queue.fail(AnswersLater())

    @property
    def lines(self) -> int:
        """Questions of a batch, at most: more need not wait at one time."""
        return self._plan.lines

    @property
    def note(self) -> str:
        """What lies at the server, in a few words; empty where nothing does, and once it is closed."""
        if self._closed:
            return ""
        lies = self._ledger.count()
        done = min(sum(self._done.values()), lies)
        return f"{done:,} of {lies:,} answered in batches" if lies else ""

    async def close(self) -> None:
        """Ends the connections; what lies at the server stays there."""
        self.leave()
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._service.close()
        self._ledger.close()

    # One question

    async def _answer(self, key: str, body: bytes) -> BatchAnswerLine:
        if (known := self._ledger.answer(key)) is not None:
            return known
        if self._left:
            raise AnswersLater
        future = self._queue.add(key, body, sent=self._ledger.lies_at_server(key))
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep())
        return await asyncio.shield(future)  # others may wait for the same answer

    def _outcome(self, answer: BatchAnswerLine, request: Request) -> Completion | FailedAttempt:
        if isinstance(answer, TransportError):
            return FailedAttempt(answer.reason, answer.detail)
        return parse_reply(answer, self._model, self._address, request.limit)

    # All questions

    async def _keep(self) -> None:
        """Sends and fetches batches as long as somebody waits."""
        loop, times = asyncio.get_running_loop(), self._plan.times
        pause, due = times.poll, 0.0
        try:
            await self._adopt()
            while self._queue.waiting:
                if self._ripe(loop.time()):
                    await self._send()
                    pause, due = times.poll, loop.time() + times.poll
                if loop.time() >= due:
                    pause = times.poll if await self._fetch() else min(times.longest, pause * 1.5)
                    due = loop.time() + pause
                await asyncio.sleep(min(times.quiet, times.poll, 1.0) / 4)
        except Exception as error:  # whoever waits must hear of it, or waits for ever
            self._queue.fail(error)

    async def _adopt(self) -> None:
        """Learns what became of files whose batch an earlier process did not see begin."""
        for one in self._ledger.open_batches():
            if one.batch is None:
                found = await self._service.find(one.file) or await self._service.begin(one.file)
                self._ledger.begun(one.file, found.id)

    def _ripe(self, now: float) -> bool:
        """Whether it is time for a batch: nobody else is about to ask, or it is full."""
        if not self._queue.unsent or now < self._held_until:
            return False
        return len(self._queue.unsent) >= self._plan.lines or now - self._queue.last >= self._plan.times.quiet

    async def _send(self) -> None:
        bodies = {key: self._queue.bodies[key] for key in self._queue.unsent}
        for part in question_files(bodies, self._plan.lines):
            content = b"".join(question_line(key, body) for key, body in part.items())
            file = await self._service.upload(content)
            self._ledger.uploaded(file, part)
            for key in part:
                self._queue.unsent.pop(key, None)
            self._ledger.begun(file, (await self._service.begin(file)).id)

    async def _fetch(self) -> bool:
        """Looks at all batches, and takes in those that have ended; whether any had."""
        ended = False
        for one in self._ledger.open_batches():
            if one.batch is None:
                continue
            found = await self._service.look(one.batch)
            self._done[one.file] = found.done
            if found.ended:
                await self._take_in(one, found)
                ended = True
        return ended

    async def _take_in(self, one: "OpenBatch", batch: Batch) -> None:
        """Keeps the answers of a batch that has ended, and hands them to those who wait.

        Raises:
            BadRequest: the server refused the batch as a whole, and would do so again.
        """
        found: dict[str, BatchAnswerLine] = {}
        for file in batch.files:
            found.update(answers(await self._service.content(file)))
        keys = self._ledger.close_batch(one.file, found.items())
        self._done.pop(one.file, None)
        if batch.status == "failed" and not found:
            self._refused(batch, keys)
            return
        missing = TransportError(batch.status, "the batch ended without an answer to this")
        for key in keys:
            self._queue.settle(key, found.get(key, missing))

    def _refused(self, batch: Batch, keys: set[str]) -> None:
        """A batch that never ran: it waits until the server has room again, or ends the run."""
        if not batch.codes & LIMITED:
            raise BadRequest(f"{self._address.shown} refuses a batch: {batch.said or 'no reason given'}")
        self._held_until = asyncio.get_running_loop().time() + self._plan.times.held
        self._queue.unsent |= dict.fromkeys(key for key in keys if key in self._queue.waiting)
