"""The mixture and the batches: every sample once, ratios, and nothing that depends on the process."""

import math
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expllm.core.errors import UsageError
from expllm.core.vocabulary import Expression
from expllm.train.sampling import (
    PAPER_MIXTURES,
    Counts,
    Mixture,
    SampleDraw,
    balanced_within,
    batches,
    class_balanced,
    plan,
)

HALF = Mixture(0.5, 0.5)
seeds = st.integers(0, 2**70)
epochs = st.integers(0, 1000)


@given(st.integers(1, 200), seeds, epochs, st.sampled_from([*PAPER_MIXTURES, None]))
def test_every_sample_is_drawn_once_an_epoch(
    count: int, seed: int, epoch: int, mixture: Mixture | None
) -> None:
    made = plan(count, mixture, seed, epoch)
    assert sorted(draw.index for draw in made.draws) == list(range(count))
    assert {draw.repeat for draw in made.draws} == {0}
    assert made == plan(count, mixture, seed, epoch)


def test_epochs_and_seeds_have_their_own_order_and_tasks() -> None:
    plans = [plan(100, HALF, seed, epoch).draws for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(draw.index for draw in draws) for draws in plans}) == 4
    assert len({tuple(sorted((draw.index, draw.task) for draw in draws)) for draws in plans}) == 4


@pytest.mark.parametrize("mixture", PAPER_MIXTURES)
def test_tasks_have_the_ratio_of_the_mixture(mixture: Mixture) -> None:
    count = 20_000
    counts = plan(count, mixture, 7, 3).counts
    assert counts.label + counts.explanation == count
    deviation = math.sqrt(count * mixture.label * mixture.explanation)
    assert abs(counts.explanation - count * mixture.explanation) <= 4 * deviation


def test_a_sample_has_the_same_task_however_many_there_are() -> None:
    few = {draw.index: draw.task for draw in plan(50, HALF, 1, 2).draws}
    many = {draw.index: draw.task for draw in plan(500, HALF, 1, 2).draws}
    assert few == {index: many[index] for index in few}


@given(st.lists(st.booleans(), min_size=1, max_size=100), seeds)
def test_samples_without_an_explanation_train_their_label_and_are_counted(
    explained: list[bool], seed: int
) -> None:
    all_explained = plan(len(explained), HALF, seed, 0)
    made = plan(len(explained), HALF, seed, 0, explained=explained)
    fell_back = [
        draw for draw in all_explained.draws if draw.task == "explanation" and not explained[draw.index]
    ]
    assert made.counts.fell_back == len(fell_back)
    assert made.counts.label == all_explained.counts.label + len(fell_back)
    assert [draw.index for draw in made.draws] == [draw.index for draw in all_explained.draws]
    assert all(explained[draw.index] for draw in made.draws if draw.task == "explanation")


def test_without_labels_in_the_mixture_they_are_left_out_and_counted() -> None:
    made = plan(4, Mixture(0, 1), 0, 0, explained=[True, False, True, False])
    assert {draw.index for draw in made.draws} == {0, 2}
    assert made.counts == Counts(explanation=2, left_out=2)


def test_captions_have_no_mixture() -> None:
    made = plan(3, None, 0, 0)
    assert {draw.task for draw in made.draws} == {"caption"}
    assert made.counts == Counts(caption=3)


def test_an_epoch_without_draws_is_refused() -> None:
    with pytest.raises(UsageError, match="none of 2 samples can be drawn"):
        plan(2, Mixture(0, 1), 0, 0, explained=[False, False])
    with pytest.raises(UsageError, match="none of 0 samples"):
        plan(0, HALF, 0, 0)
    with pytest.raises(UsageError, match="1 samples are marked as explained or not, but there are 2"):
        plan(2, HALF, 0, 0, explained=[True])


@pytest.mark.parametrize("shares", [(0.5, 0.6), (-0.1, 1.1), (math.nan, 0.5)])
def test_shares_that_do_not_sum_to_one_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="sum to 1"):
        Mixture(*shares)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="0 or more, not -1"):
        plan(3, HALF, -1, 0)


def test_balanced_classes_are_equally_likely() -> None:
    labels = [Expression.HAPPINESS] * 1800 + [Expression.FEAR] * 30 + [Expression.ANGER] * 170
    drawn = class_balanced(labels, 0, 0)
    counts = Counter(labels[index] for index in drawn)
    assert len(drawn) == 2000
    assert all(abs(count - 2000 / 3) <= 4 * math.sqrt(2000 * 2 / 9) for count in counts.values())
    # Within a class every sample is as likely: 30 faces share some 667 draws.
    fear = Counter(index for index in drawn if labels[index] is Expression.FEAR)
    assert len(fear) == 30
    assert max(fear.values()) < 50
    assert drawn == class_balanced(labels, 0, 0) != class_balanced(labels, 0, 1)


@pytest.mark.parametrize(("power", "expected"), [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_classes_may_be_balanced_by_half(power: float, expected: float) -> None:
    labels = ["fear"] * 400 + ["anger"] * 3600
    drawn = class_balanced(labels, 1, 0, power=power)
    assert sum(index < 400 for index in drawn) / 4000 == pytest.approx(expected, abs=0.03)


@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 5))
def test_one_data_set_is_balanced_and_the_other_left_as_it_is(seed: int, epoch: int) -> None:
    sets = ["one"] * 60 + ["two"] * 40
    labels = ["fear"] * 30 + ["anger"] * 68 + ["fear"] * 2
    drawn = balanced_within(sets, labels, {"two": 1.0}, seed, epoch)
    assert len(drawn) == 100
    assert sorted(index for index in drawn if index < 60) == list(range(60))
    assert sum(index >= 98 for index in drawn) > 5  # two of forty would be drawn twice
    assert drawn == balanced_within(sets, labels, {"two": 1.0}, seed, epoch)


def test_what_cannot_be_balanced_is_told() -> None:
    with pytest.raises(UsageError, match="'three' are to be balanced, but faces are of one, two"):
        balanced_within(["one", "two"], ["fear", "anger"], {"three": 1.0}, 0, 0)
    with pytest.raises(UsageError, match="a power of 0 to 1, not 2"):
        class_balanced(["fear", "anger"], 0, 0, power=2)


def test_balancing_needs_two_classes() -> None:
    with pytest.raises(UsageError, match="one class only, 'fear'"):
        class_balanced(["fear", "fear"], 0, 0)
    with pytest.raises(UsageError, match="one class only, none"):
        class_balanced([], 0, 0)


def test_a_sample_that_is_drawn_again_has_a_number_and_a_task_of_its_own() -> None:
    made = plan(2, HALF, 0, 0, order=[0] * 200 + [1])
    repeats = [draw for draw in made.draws if draw.index == 0]
    assert [draw.repeat for draw in repeats] == list(range(200))
    assert 60 < sum(draw.task == "label" for draw in repeats) < 140
    first = {draw.index: draw.task for draw in plan(2, HALF, 0, 0).draws}
    assert repeats[0].task == first[0]


def lengths_for(draws: tuple[SampleDraw, ...], seed: int) -> list[int]:
    numbers = np.random.Generator(np.random.Philox(seed)).integers(260, 700, size=len(draws))
    return [int(number) for number in numbers]


@given(st.integers(1, 1500), st.integers(2, 9), st.integers(1, 4), st.integers(0, 99), st.integers(0, 9))
def test_processes_share_the_batches_of_one(count: int, size: int, world: int, seed: int, epoch: int) -> None:
    draws = plan(max(count, world), HALF, seed, epoch).draws
    lengths = lengths_for(draws, seed)
    alone = batches(draws, lengths, size * world, seed, epoch)
    shares = [batches(draws, lengths, size, seed, epoch, rank, world) for rank in range(world)]
    assert [[draw for share in step for draw in share] for step in zip(*shares, strict=True)] == alone
    assert all(1 <= len(batch) <= size for share in shares for batch in share)
    assert sorted(draw.index for batch in alone for draw in batch) == list(range(len(draws)))


def test_batches_hold_neighbours_in_length() -> None:
    draws = plan(4000, HALF, 0, 0).draws
    lengths = dict(zip(draws, lengths_for(draws, 0), strict=True))
    made = batches(draws, list(lengths.values()), 8, 0, 0)
    padded = sum(max(lengths[draw] for draw in batch) * len(batch) for batch in made)
    as_drawn = [draws[start : start + 8] for start in range(0, len(draws), 8)]
    padded_as_drawn = sum(max(lengths[draw] for draw in batch) * len(batch) for batch in as_drawn)
    assert padded < 1.02 * sum(lengths.values()) < 1.2 * sum(lengths.values()) < padded_as_drawn
    means = [np.mean([lengths[draw] for draw in batch]) for batch in made]
    assert means != sorted(means)
    assert max(lengths.values()) in [lengths[draw] for draw in made[0]]


def test_mixed_steps_hold_all_tasks_in_their_shares() -> None:
    """And the parts of a step are alike: a label is hardly ever filled up to the length of an explanation."""
    draws = plan(4096, Mixture(0.75, 0.25), 3, 0).draws
    lengths = [300 if draw.task == "explanation" else 100 for draw in draws]
    parts = [batches(draws, lengths, 8, 3, 0, part, 4, mixed=True) for part in range(4)]
    steps = [[draw for part in step for draw in part] for step in zip(*parts, strict=True)]
    assert sorted(draw.index for step in steps for draw in step) == list(range(4096))
    for first in range(50, 100):
        explained = sum(draw.task == "explanation" for draw in steps[first])
        assert 6 <= explained <= 10
    filled = sum(
        1 for step in zip(*parts, strict=True) for part in step if len({draw.task for draw in part}) > 1
    )
    assert filled <= len(steps)


@given(st.integers(1, 400), st.integers(2, 9), st.integers(1, 4), st.integers(0, 99))
def test_processes_share_mixed_steps_too(count: int, size: int, world: int, seed: int) -> None:
    draws = plan(max(count, world), HALF, seed, 0).draws
    lengths = lengths_for(draws, seed)
    alone = batches(draws, lengths, size * world, seed, 0, mixed=True)
    shares = [batches(draws, lengths, size, seed, 0, rank, world, mixed=True) for rank in range(world)]
    assert [[draw for share in step for draw in share] for step in zip(*shares, strict=True)] == alone
    assert all(1 <= len(batch) <= size for share in shares for batch in share)


@given(st.integers(1, 300), st.integers(1, 8), st.integers(0, 99))
def test_batches_of_one_leave_out_what_cannot_be_shared(count: int, world: int, seed: int) -> None:
    draws = plan(count + world, HALF, seed, 0).draws
    lengths = lengths_for(draws, seed)
    shares = [batches(draws, lengths, 1, seed, 0, rank, world) for rank in range(world)]
    assert all(len(batch) == 1 for share in shares for batch in share)
    drawn = [batch[0] for share in shares for batch in share]
    assert len(set(drawn)) == len(drawn) == len(draws) - len(draws) % world
    assert set(draws) - set(drawn) == set(draws[len(drawn) :])


def test_few_samples_make_one_step() -> None:
    draws = plan(20, HALF, 0, 0).draws
    shares = [batches(draws, [1] * 20, 4, 0, 0, rank, 16) for rank in range(16)]
    assert [[len(batch) for batch in share] for share in shares] == [[2]] * 4 + [[1]] * 12


def test_what_cannot_be_shared_out_is_refused() -> None:
    draws = plan(5, HALF, 0, 0).draws
    with pytest.raises(UsageError, match="5 draws an epoch cannot be shared between 6 batches a step"):
        batches(draws, [1] * 5, 1, 0, 0, rank=0, world=6)
    for size, rank, lengths in ((0, 0, 5), (1, 1, 5), (1, 0, 4)):
        with pytest.raises(UsageError, match="no batches of"):
            batches(draws, [1] * lengths, size, 0, 0, rank)


def test_two_processes_draw_the_same() -> None:
    code = (
        "from expllm.train.sampling import Mixture, batches, class_balanced, plan\n"
        "order = class_balanced(['fear', 'anger', 'fear', 'disgust'] * 30, 5, 1)\n"
        "draws = plan(120, Mixture(.75, .25), 5, 1, order=order).draws\n"
        "print(batches(draws, [d.index % 7 for d in draws], 4, 5, 1, 1, 2))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert "Draw(index=" in outputs.pop()
