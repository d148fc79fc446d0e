"""Tracks become people: never a guessed swap."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from expllm.core.vocabulary import AU_NAMES
from expllm.video.persons import Joiner, most_seen
from expllm.video.stretch_store import Stretch

Shape = NDArray[np.float32]
ANNA, BERT = np.full(20, 0.0, np.float32), np.linspace(-0.12, 0.12, 20).astype(np.float32)


def stretch(
    index: int, tracks: Sequence[tuple[float, float, float, float, Shape]], cuts: tuple[float, ...] = ()
) -> Stretch:
    """Tracks as (from, to, x when first seen, x when last seen, shape), 25 frames a second, boxes of 100."""
    times = np.round(np.arange(250) * 0.04 + 10 * index, 4)
    frame, number, box = [], [], []
    for k, (start, end, first, last, _) in enumerate(tracks):
        rows = np.flatnonzero((times >= start - 1e-6) & (times <= end + 1e-6))
        frame += rows.tolist()
        number += [k] * len(rows)
        box += [(x, 50.0, 100.0, 120.0) for x in np.linspace(first, last, len(rows))]
    order = np.lexsort((number, frame))
    faces = len(frame)
    return Stretch(
        index, np.arange(250), times, np.ones(250, bool), np.isin(times, cuts),
        np.array(frame, np.int32)[order], np.array(number, np.int32)[order],
        np.array(box, np.float32)[order], np.full(faces, np.nan, np.float32),
        np.zeros((faces, 3), np.float32), np.zeros((faces, len(AU_NAMES)), np.float32),
        np.zeros(faces, np.int32),
        np.array([one[4] for one in tracks], np.float32), {},
    )  # fmt: skip


def joined(*stretches: Stretch) -> dict[tuple[int, int], int]:
    joiner = Joiner()
    for one in stretches:
        joiner.add(one)
    return joiner.people()


def test_a_person_goes_on_in_the_next_stretch() -> None:
    people = joined(
        stretch(0, [(0, 9.96, 100, 200, ANNA), (0, 9.96, 400, 400, BERT)]),
        stretch(1, [(10, 19.96, 400, 400, BERT), (10, 19.96, 202, 250, ANNA)]),
    )
    assert people == {(0, 0): 0, (0, 1): 1, (1, 1): 0, (1, 0): 1}


def test_who_walks_behind_another_comes_out_as_the_same() -> None:
    people = joined(stretch(0, [(0, 9.96, 0, 500, ANNA), (0, 4, 500, 300, BERT), (4.8, 9.96, 260, 2, BERT)]))
    assert people == {(0, 0): 0, (0, 1): 1, (0, 2): 1}


def test_the_shape_decides_between_two_who_were_lost_together() -> None:
    before = [(0, 4, 200, 240, ANNA), (0, 4, 320, 280, BERT)]
    after = [(4.4, 9, 236, 236, BERT + 0.004), (4.4, 9, 284, 284, ANNA + 0.004)]
    people = joined(stretch(0, [*before, *after]))
    assert (people[0, 2], people[0, 3]) == (people[0, 1], people[0, 0])


def test_where_it_is_not_clear_somebody_new_begins() -> None:
    between = ((ANNA + BERT) / 2).astype(np.float32)
    people = joined(stretch(0, [(0, 4, 200, 240, ANNA), (0, 4, 320, 280, BERT), (4.4, 9, 260, 260, between)]))
    assert people[0, 2] == 2


@pytest.mark.parametrize("cuts", [(4.4,), ()])
def test_after_a_cut_everybody_is_new(cuts: tuple[float, ...]) -> None:
    people = joined(stretch(0, [(0, 4.36, 200, 200, ANNA), (4.4, 9, 200, 200, ANNA)], cuts))
    assert people[0, 1] == (1 if cuts else 0)


def test_who_was_away_for_long_is_new_and_a_glimpse_is_nobody() -> None:
    people = joined(stretch(0, [(0, 4, 200, 200, ANNA), (6.5, 9, 200, 200, ANNA), (1, 1.08, 400, 400, BERT)]))
    assert people == {(0, 0): 0, (0, 1): 1}


def test_only_those_who_are_seen_longest() -> None:
    people = {(0, 0): 0, (0, 1): 1, (0, 2): 2}
    counts = {(0, 0): 5, (0, 1): 50, (0, 2): 20}
    assert most_seen(people, counts, 2) == {(0, 1): 0, (0, 2): 1}
