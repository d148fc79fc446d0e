"""Processes many items concurrently, each with a few calls: journaled and resumable.

One task a thing, so many at once as are allowed, and no barrier between their steps: one that needs five
rounds holds up nobody. Nothing is kept in memory but the things at work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from expllm.core.errors import ExpllmError
from expllm.cot.journal import Journal, JournalReader, SampleOutcome
from expllm.cot.sample_session import Paused, RunBudget, SampleSession


class Named(Protocol):
    """Anything with an id that is unique and stable in its run."""

    @property
    def id(self) -> str: ...


Thing = TypeVar("Thing", bound=Named)
SampleEnding = tuple[str, str | None, dict[str, Any]]
"""How a thing ended: its status, the reason, and what is kept of it as JSON values."""


@dataclass
class CallWorkers(Generic[Thing]):
    """Concurrent tasks of a run.

    Attributes:
        treat: Takes a thing to its end, asking through its session.
        journal: Where calls and endings go.
        gate: How many calls may be under way, and until when any may begin.
        on_outcome: Told of each thing that has ended.
    """

    treat: Callable[[Thing, SampleSession], Awaitable[SampleEnding]]
    journal: Journal
    gate: RunBudget
    on_outcome: Callable[[SampleOutcome], None] = lambda _: None

    async def run(self, placed: Iterable[tuple[int, Thing]]) -> None:
        """Works through things with their places; those that the journal has ended are passed over.

        Returns when all have ended or no further call may begin (`gate`).

        Raises:
            ExpllmError: nothing can be asked at all, or the journal cannot be written.
        """
        reader = JournalReader(self.journal.path)
        try:
            self.gate.spent = self.gate.spent_before + reader.spent()
            finished, begun = reader.finished(), reader.begun()
            waiting = ((place, thing) for place, thing in placed if thing.id not in finished)
            line = _Line(waiting, begun, reader)
            # Half as many again as calls may be under way: those whose answer is on its way to the disk.
            async with asyncio.TaskGroup() as group:
                for _ in range(self.gate.concurrency + self.gate.concurrency // 2 + 1):
                    group.create_task(self._work(line))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            reader.close()

    async def _work(self, line: "_Line[Thing]") -> None:
        """One of the tasks at work at once: takes the next thing until there is none or none may begin."""
        while not self.gate.closed:
            taken = line.take()
            if taken is None:
                return
            place, thing = taken
            try:
                status, reason, record = await self.treat(thing, line.session(thing, self.journal, self.gate))
            except Paused:
                return
            except ExpllmError:
                self.gate.stopping = True  # the others finish the call that is under way, and no more
                raise
            outcome = SampleOutcome(thing.id, place, status, reason, record)
            await self.journal.add(outcome)
            self.on_outcome(outcome)


@dataclass
class _Line(Generic[Thing]):
    """The things that wait, and what the journal knows of those that had begun."""

    waiting: Iterator[tuple[int, Thing]]
    begun: set[str]
    reader: JournalReader

    def take(self) -> tuple[int, Thing] | None:
        return next(self.waiting, None)

    def session(self, thing: Thing, journal: Journal, gate: RunBudget) -> SampleSession:
        if thing.id not in self.begun:
            return SampleSession(thing.id, journal, gate)
        recorded, following = self.reader.calls(thing.id), self.reader.next_number(thing.id)
        return SampleSession(thing.id, journal, gate, recorded, following)
