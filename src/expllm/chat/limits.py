"""Concurrency and rate limits."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

CUT_AFTER_THROTTLING: Final = 0.7
"""What is left of the limit when the server is overloaded."""

TOLERATED: Final = 0.1
"""Share of replies that may say "too much" before the limit is cut.

Cutting at each one holds the limit near 8 where 4 % of the replies say so, whatever the server could bear; a
tenth costs a call a ninth of an attempt (docs/experiments.md).
"""

WINDOW: Final = 10
"""Replies that are judged together, at least; else as many as the limit."""

SLACK: Final = 1.0
"""Seconds' worth of a budget that may be spent at once after a pause."""

_MARGIN: Final = 1.005
"""What is held back of a budget, as requests need not arrive as evenly as they leave."""


class AdaptiveLimiter:
    """Limits the calls in flight; the limit adapts to the server's load (additive increase, cut on overload).

    Additive increase, multiplicative decrease, as in TCP: a limit's worth of replies raises the limit by one,
    or a tenth of it where that is more; when more than `TOLERATED` of them say that the server is overloaded,
    it is cut to `CUT_AFTER_THROTTLING` of what it was. Calls that were under way at a cut do not count
    towards the next.

    Args:
        most: The upper bound; the limit begins there.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._cuts = 0
        self._judged = 0
        self._overloads = 0

    @property
    def inside(self) -> int:
        """Calls under way."""
        return self._inside

    async def enter(self) -> int:
        """Waits for a place, first come, first served; returns what `leave` wants to know."""
        if self._waiting or self._inside >= int(self.limit):
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if (
                    place.done() and not place.cancelled()
                ):  # the place was given in the same moment: pass it on
                    self._inside -= 1
                    self._admit()
                raise
        else:
            self._inside += 1
        return self._cuts

    def leave(self, ticket: int, *, overloaded: bool = False) -> None:
        """Gives the place back, with what the server's answer said about its load."""
        self._inside -= 1
        if ticket == self._cuts:
            self._judge(overloaded)
        if self._waiting:
            self._admit()

    def _judge(self, overloaded: bool) -> None:
        window = max(self.limit, WINDOW)
        self._judged += 1
        self._overloads += overloaded
        if self._overloads > TOLERATED * window:
            self.limit = max(1.0, self.limit * CUT_AFTER_THROTTLING)
            self._cuts += 1
        elif self._judged >= window:
            self.limit = min(float(self.most), self.limit + max(1.0, self.limit / 10))
        else:
            return
        self._judged = self._overloads = 0

    def _admit(self) -> None:
        while self._waiting and self._inside < int(self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)


class TokenBucket:
    """A token bucket for requests or tokens per minute; `reserve` returns the time to wait.

    It refills evenly, and holds at most `SLACK` seconds' worth; refilling is slower by as much, so that no 60
    seconds see more than the budget. A single amount above that is let through when the bucket is full,
    and is paid for afterwards.

    Args:
        per_minute: Units a minute, above 0.
        clock: Monotonic seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = (60.0 + SLACK) * _MARGIN / per_minute
        self._clock = clock
        self._paid_until = clock()

    def reserve(self, amount: float = 1.0) -> float:
        """Takes `amount`; returns the seconds to wait before it may be used. Later callers wait behind."""
        now = self._clock()
        wait = max(0.0, self._paid_until - SLACK - now)
        self._paid_until = max(self._paid_until, now) + amount * self._seconds_each
        return wait

    def correct(self, amount: float) -> None:
        """Adds to what was taken, once it is known; a negative amount gives back."""
        self._paid_until += amount * self._seconds_each
