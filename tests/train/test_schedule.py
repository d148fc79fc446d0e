"""Schedules: as `transformers` has them, always falling, drawn as they are."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small import INSTRUCT
from transformers import get_cosine_schedule_with_warmup

from expllm.core.errors import UsageError
from expllm.train.schedule import Schedule, curve, schedule_of


@given(steps=st.integers(3, 20_000), share=st.floats(0, 0.5))
def test_the_rate_rises_to_its_peak_then_falls_to_next_to_nothing(steps: int, share: float) -> None:
    schedule = schedule_of(replace(INSTRUCT, warmup_ratio=share), steps)
    rates = [schedule(step) for step in range(steps)]
    peak = schedule.warmup
    assert rates[peak] == max(rates) == 1
    assert all(one < two for one, two in pairwise(rates[: peak + 1]))
    assert all(one > two for one, two in pairwise(rates[peak:]))
    assert rates[-1] <= 0.5
    assert steps < 20 or rates[-1] < 0.03


@pytest.mark.parametrize(("steps", "warmup"), [(40, 0), (40, 7), (7, 3), (1000, 30)])
def test_it_is_the_schedule_of_transformers(steps: int, warmup: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.25)
    theirs = get_cosine_schedule_with_warmup(optimizer, warmup, steps)
    ours = Schedule(steps, warmup)
    for step in range(steps):
        assert theirs.get_last_lr()[0] == 0.25 * ours(step)
        optimizer.step()
        theirs.step()


def test_a_warm_up_of_more_than_half_of_the_steps_is_refused() -> None:
    """The paper's 20,000 steps on RAF-DB, read as optimizer steps: the rate would never fall."""
    with pytest.raises(UsageError, match=r"20,000 and the stage has 5,760 steps.* at most 2,880, or"):
        schedule_of(replace(INSTRUCT, warmup_steps=20_000), 5760)
    assert schedule_of(replace(INSTRUCT, warmup_steps=2_500), 5760) == Schedule(5760, 2500)


@given(steps=st.integers(1, 3000), share=st.floats(0, 0.5), width=st.integers(2, 100))
def test_a_curve_is_as_high_as_its_rates(steps: int, share: float, width: int) -> None:
    schedule = schedule_of(replace(INSTRUCT, warmup_ratio=share), steps)
    rows = curve(schedule, width)
    columns = min(width, steps)
    assert len(rows) == 4
    assert all(len(row) <= columns for row in rows)
    for column in range(columns):
        drawn = sum(" ▁▂▃▄▅▆▇█".index(row[column : column + 1] or " ") for row in rows)
        assert drawn == round(32 * schedule(round(column * (steps - 1) / max(1, columns - 1))))
