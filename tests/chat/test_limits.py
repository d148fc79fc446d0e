"""Concurrency that follows the server, and budgets of a minute."""

import asyncio
import random
from collections.abc import Iterable

import pytest
from waiting import HANG_S

from expllm.chat.limits import CUT_AFTER_THROTTLING, AdaptiveLimiter, TokenBucket


def spent_by(
    budget: TokenBucket, clock: list[float], amounts: Iterable[float], pause: float = 0.0
) -> list[float]:
    """When each amount may be used, if somebody asks every `pause` seconds."""
    moments = []
    for amount in amounts:
        moments.append(clock[0] + budget.reserve(amount))
        clock[0] += pause
    return moments


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 500, 10_000])
@pytest.mark.parametrize("idle", [0.0, 1000.0])
def test_no_minute_sees_more_than_the_budget(per_minute: int, idle: float) -> None:
    clock = [0.0]
    budget = TokenBucket(per_minute, clock=lambda: clock[0])
    clock[0] = idle
    moments = spent_by(budget, clock, [1.0] * (3 * per_minute))
    busiest = max(
        sum(start <= later < start + 60 for later in moments) for start in moments[:: per_minute // 50 + 1]
    )
    assert busiest <= per_minute
    assert moments[-1] - idle <= 2 * 62 + 62 / per_minute * (per_minute - 1)  # and hardly fewer


def test_later_callers_wait_behind_earlier_ones() -> None:
    clock = [0.0]
    budget = TokenBucket(60, clock=lambda: clock[0])
    moments = spent_by(budget, clock, [1.0] * 20, pause=0.01)
    assert moments == sorted(moments)
    assert moments[0] == 0.0


def test_a_correction_moves_those_who_come_later() -> None:
    clock = [0.0]
    budget = TokenBucket(6000, clock=lambda: clock[0])
    budget.reserve(6000)  # more than the bucket holds: at once, and paid for afterwards
    assert budget.reserve(1) == pytest.approx(60, abs=0.5)
    budget.correct(-6000)
    assert budget.reserve(1) == 0.0


def test_nothing_saves_up_while_nobody_asks() -> None:
    clock = [0.0]
    budget = TokenBucket(60, clock=lambda: clock[0])
    budget.correct(-1000)
    clock[0] = 5000.0
    assert spent_by(budget, clock, [1.0] * 3)[2] >= 5001.0


def test_the_gate_admits_in_order_and_no_more_than_its_limit() -> None:
    async def scene() -> None:
        gate = AdaptiveLimiter(2)
        order: list[int] = []
        most = 0

        async def one(number: int) -> None:
            nonlocal most
            ticket = await gate.enter()
            order.append(number)
            most = max(most, gate.inside)
            await asyncio.sleep(0.001)
            gate.leave(ticket)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert order == list(range(20))
        assert (most, gate.inside) == (2, 0)

    asyncio.run(scene())


def test_an_overload_cuts_once_for_all_calls_of_the_time() -> None:
    async def scene() -> None:
        gate = AdaptiveLimiter(20)
        tickets = [await gate.enter() for _ in range(20)]
        for ticket in tickets:
            gate.leave(ticket, overloaded=True)
        assert gate.limit == pytest.approx(20 * CUT_AFTER_THROTTLING)
        for _ in range(14):
            gate.leave(await gate.enter())
        assert gate.limit == pytest.approx(
            20 * CUT_AFTER_THROTTLING + 1.4
        )  # a limit's worth of replies: a tenth more
        for _ in range(40):
            gate.leave(await gate.enter(), overloaded=True)
        assert gate.limit == 1.0
        for _ in range(1000):
            gate.leave(await gate.enter())
        assert gate.limit == 20.0

    asyncio.run(scene())


@pytest.mark.parametrize(("share", "low", "high"), [(0.05, 40, 64), (0.5, 1, 4)])
def test_few_overloads_are_borne_and_many_are_not(share: float, low: float, high: float) -> None:
    async def scene() -> None:
        gate, chance = AdaptiveLimiter(64), random.Random(5)
        for _ in range(3000):
            gate.leave(await gate.enter(), overloaded=chance.random() < share)
        assert low <= gate.limit <= high

    asyncio.run(scene())


def test_the_limit_settles_where_a_server_bears_no_more() -> None:
    async def scene() -> None:
        gate = AdaptiveLimiter(64)
        tickets: list[int] = []
        limits: list[float] = []
        for _ in range(4000):
            while len(tickets) < int(gate.limit):
                tickets.append(await gate.enter())
            gate.leave(tickets.pop(0), overloaded=len(tickets) >= 12)
            limits.append(gate.limit)
        assert 8 <= min(limits[1000:]) <= max(limits[1000:]) <= 16

    asyncio.run(scene())


def test_who_stops_waiting_takes_no_place() -> None:
    async def scene() -> None:
        gate = AdaptiveLimiter(1)
        ticket = await gate.enter()
        leaving = asyncio.create_task(gate.enter())
        staying = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        leaving.cancel()
        gate.leave(ticket)
        late = asyncio.create_task(gate.enter())
        gate.leave(await staying)
        await asyncio.sleep(0)
        late.cancel()  # its place was given in the same moment
        await asyncio.gather(leaving, late, return_exceptions=True)
        gate.leave(
            await asyncio.wait_for(gate.enter(), HANG_S)
        ) if not late.done() or late.cancelled() else gate.leave(late.result())
        assert gate.inside == 0

    asyncio.run(scene())
