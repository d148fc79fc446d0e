"""A bounded queue: beyond its places a request is refused at once, with the time to wait."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar, cast

from expllm.server.http_errors import ApiError

_T = TypeVar("_T")
NEWEST: Final = 0.1
"""Weight of the last picture in the mean time that one takes."""
FIRST_GUESS: Final = 0.5
"""Seconds that a picture takes, before one was seen."""


class Admission(Protocol):
    """Says whether a request may come in at all, before its body is read."""

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""

    def busy(self, headers: Mapping[str, str] | None = None) -> ApiError:
        """503, with the time to wait."""


class Queue:
    """The places, for use on one event loop.

    Args:
        workers: Pictures that are worked on at one time.
        waiting: Pictures that may wait besides.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self._workers, self._places, self._free = workers, workers + waiting, workers + waiting
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._seconds = FIRST_GUESS

    def resize(self, workers: int, waiting: int) -> None:
        """Has other numbers from now on; who holds a place keeps it."""
        self._workers, places = workers, workers + waiting
        self._free += places - self._places
        self._places = places

    @property
    def taken(self) -> int:
        """Places that are taken."""
        return self._places - self._free

    @property
    def full(self) -> bool:
        """Whether no place is free, or others wait for it."""
        return self._free < 1 or bool(self._waiters)

    def busy(self, headers: Mapping[str, str] | None = None) -> ApiError:
        """503, with the time to wait.

        Args:
            headers: Further ones.
        """
        wait = str(self.retry_after)
        line = f"The server is busy: try again in {wait} s."
        return ApiError(503, line, "busy", headers={"Retry-After": wait, **(headers or {})})

    @property
    def retry_after(self) -> int:
        """Whole seconds until a place should be free, by the rate so far."""
        ahead = max(1, self.taken - self._workers + 1) / max(1, self._workers)
        return max(1, min(60, math.ceil(ahead * self._seconds)))

    def enter(self) -> "AdmittedPlace":
        """Takes a place at once.

        Raises:
            ApiError: 503, with the time to wait; all are taken.
        """
        if self.full:
            raise self.busy()
        self._free -= 1
        return AdmittedPlace(self)

    async def wait(self) -> "AdmittedPlace":
        """Takes a place as soon as one is free; for the further pictures of a request that was let in."""
        if not self.full:
            self._free -= 1
            return AdmittedPlace(self)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.free()
            raise
        return AdmittedPlace(self)

    def free(self, seconds: float | None = None) -> None:
        """Gives a place back.

        Args:
            seconds: That its picture was worked on; None if it was given up.
        """
        if seconds is not None:
            self._seconds += NEWEST * (seconds - self._seconds)
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class AdmittedPlace:
    """One picture's place; it is kept until the thread that works on it is through."""

    def __init__(self, queue: Queue) -> None:
        self._queue, self._loop = queue, asyncio.get_running_loop()
        self._entered = time.perf_counter()
        self._began: float | None = None
        self._pending: Future[object] | None = None
        self._left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def begun(self, work: Callable[[], _T]) -> Callable[[], _T]:
        """`work`, with a note of when a thread takes it up."""

        def noted() -> _T:
            self.begin()
            return work()

        return noted

    def begin(self) -> None:
        """Notes that work on the picture begins now."""
        self._began = time.perf_counter()

    @property
    def waited(self) -> float:
        """Seconds until a thread took it up; until now if none did."""
        return (self._began or time.perf_counter()) - self._entered

    @property
    def worked(self) -> float:
        """Seconds since then."""
        return time.perf_counter() - self._entered - self.waited

    async def result(self, future: "Future[_T]") -> _T:
        """What a thread makes; cancelled with its waiter, if no thread has begun."""
        self.hold(future)
        return await asyncio.wrap_future(future)

    def hold(self, future: "Future[_T]") -> None:
        """Keeps the place until a thread has made this."""
        self._pending = cast("Future[object]", future)

    def leave(self) -> None:
        """Gives the place back, once. A thread that is still at work keeps it until it is through."""
        if self._left:
            return
        self._left = True
        if self._pending is None or self._pending.cancel() or self._pending.done():
            self._free()
        else:
            self._pending.add_done_callback(self._free_from_thread)

    def _free_from_thread(self, _: object) -> None:
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._free)

    def _free(self) -> None:
        self._queue.free(None if self._began is None else time.perf_counter() - self._began)
