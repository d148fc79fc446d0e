"""Concurrency that follows the server, and budgets of a minute."""

import asyncio
from collections.abc import Iterable

import pytest

from expllm.chat.limits import CUT, Budget, Gate


def spent_by(budget: Budget, clock: list[float], amounts: Iterable[float], pause: float = 0.0) -> list[float]:
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
    budget = Budget(per_minute, clock=lambda: clock[0])
    clock[0] = idle
    moments = spent_by(budget, clock, [1.0] * (3 * per_minute))
    busiest = max(
        sum(start <= later < start + 60 for later in moments) for start in moments[:: per_minute // 50 + 1]
    )
    assert busiest <= per_minute
    assert moments[-1] - idle <= 2 * 62 + 62 / per_minute * (per_minute - 1)  # and hardly fewer


def test_later_callers_wait_behind_earlier_ones() -> None:
    clock = [0.0]
    budget = Budget(60, clock=lambda: clock[0])
    moments = spent_by(budget, clock, [1.0] * 20, pause=0.01)
    assert moments == sorted(moments)
    assert moments[0] == 0.0


def test_a_correction_moves_those_who_come_later() -> None:
    clock = [0.0]
    budget = Budget(6000, clock=lambda: clock[0])
    budget.reserve(6000)  # more than the bucket holds: at once, and paid for afterwards
    assert budget.reserve(1) == pytest.approx(60, abs=0.5)
    budget.correct(-6000)
    assert budget.reserve(1) == 0.0


def test_nothing_saves_up_while_nobody_asks() -> None:
    clock = [0.0]
    budget = Budget(60, clock=lambda: clock[0])
    budget.correct(-1000)
    clock[0] = 5000.0
    assert spent_by(budget, clock, [1.0] * 3)[2] >= 5001.0


def test_the_gate_admits_in_order_and_no_more_than_its_limit() -> None:
    async def scene() -> None:
        gate = Gate(2)
        order: list[int] = []
        most = 0

        async def one(number: int) -> None:
            nonlocal most
            ticket = await gate.enter()
            order.append(number)
            most = max(most, gate.inside)
            await asyncio.sleep(0.001)
            gate.leave(ticket, good=True)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert order == list(range(20))
        assert (most, gate.inside) == (2, 0)

    asyncio.run(scene())


def test_an_overload_cuts_once_for_all_calls_of_the_time() -> None:
    async def scene() -> None:
        gate = Gate(10)
        tickets = [await gate.enter() for _ in range(10)]
        for ticket in tickets:
            gate.leave(ticket, overloaded=True)
        assert gate.limit == pytest.approx(10 * CUT)
        for _ in range(7):
            gate.leave(await gate.enter(), good=True)
        assert 7.9 <= gate.limit <= 8.1  # a limit's worth of good replies: one more
        for _ in range(20):
            gate.leave(await gate.enter(), overloaded=True)
        assert gate.limit == 1.0
        for _ in range(100):
            gate.leave(await gate.enter(), good=True)
        assert gate.limit == 10.0

    asyncio.run(scene())


def test_who_stops_waiting_takes_no_place() -> None:
    async def scene() -> None:
        gate = Gate(1)
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
            await asyncio.wait_for(gate.enter(), 1)
        ) if not late.done() or late.cancelled() else gate.leave(late.result())
        assert gate.inside == 0

    asyncio.run(scene())
