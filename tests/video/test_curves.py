"""Smoothing over uneven times, rest, and blinks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from expllm.video.curves import above_rest, around, blinks, bridged, brief_gaps, densest, smoothed, spans

Array = NDArray[Any]


def uneven(count: int, seed: int = 0) -> Array:
    return np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.06, count))


def at(count: int, step: float = 0.04) -> Array:
    """Times at a constant rate."""
    return np.arange(count) * step


def test_smoothing_has_no_delay() -> None:
    times = at(101)
    bump = np.exp(-0.5 * ((times - 2) / 0.2) ** 2).astype(np.float32)
    after = smoothed(times, bump)
    assert times[after.argmax()] == pytest.approx(2.0)
    assert np.allclose(after, after[::-1], atol=1e-5)


def test_smoothing_takes_noise_and_keeps_a_line_at_uneven_times() -> None:
    times = uneven(400)
    noise = np.random.default_rng(1).normal(0, 0.1, 400).astype(np.float32)
    assert smoothed(times, noise).std() < 0.75 * noise.std()
    flat = np.full(400, 0.3, np.float32)
    assert np.allclose(smoothed(times, flat), 0.3, atol=1e-6)


def test_what_was_not_read_stays_unknown_and_counts_for_nothing() -> None:
    times = at(10)
    values = np.full((10, 2), 0.5, np.float32)
    values[4] = np.nan
    after = smoothed(times, values)
    assert np.isnan(after[4]).all()
    assert np.allclose(after[np.arange(10) != 4], 0.5)


def test_neighbours_across_a_gap_do_not_mix() -> None:
    times = np.array([0.0, 0.04, 5.0, 5.04])
    values = np.array([0, 0, 1, 1], np.float32)
    assert smoothed(times, values).tolist() == [0, 0, 1, 1]


def test_rest_is_where_readings_lie_closest_not_where_they_are_most() -> None:
    draws = np.random.default_rng(2)
    rest, smile = draws.normal(0.1, 0.005, 300), draws.uniform(0.3, 1.0, 700)
    assert densest(np.concatenate([rest, smile]).astype(np.float32)) == pytest.approx(0.1, abs=0.01)
    assert np.isnan(densest(np.array([np.nan], np.float32)))


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60))
def test_rest_is_one_of_the_values(values: list[float]) -> None:
    assert min(values) <= densest(np.array(values, np.float32)) <= max(values) + 1e-6


def test_above_rest_is_between_0_and_1() -> None:
    values = np.array([0.0, 0.2, 0.6, 1.0], np.float32)
    assert above_rest(values, 0.2) == pytest.approx([0, 0, 0.5, 1])


def test_a_blink_is_short_and_a_nap_is_none() -> None:
    times = at(100)
    closing = np.zeros(100, np.float32)
    closing[10:14] = 0.9
    closing[40:80] = 0.9
    assert blinks(times, closing) == [(10, 14)]
    mask = around(times, [(10, 14)], 0.1, 0.16)
    assert spans(mask) == [(8, 18)]


def test_a_blink_is_bridged_by_a_line() -> None:
    times = at(10, 0.1)
    values = np.linspace(0, 0.9, 10).astype(np.float32)
    jumpy = values.copy()
    mask = np.zeros(10, bool)
    mask[4:7] = True
    jumpy[mask] = 1.0
    assert np.allclose(bridged(times, jumpy, mask), values, atol=1e-6)


def test_a_gap_as_short_as_a_blink_may_be_bridged() -> None:
    times = at(60, 0.1)
    values = np.zeros((60, 3), np.float32)
    values[10:13, 1] = values[20:40, 1] = values[:4, 2] = values[57:, 2] = np.nan
    gaps = brief_gaps(times, values)
    assert [spans(gaps[:, unit]) for unit in range(3)] == [[], [(10, 13)], []]
