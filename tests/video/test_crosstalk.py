"""Weak copies of other movements are flagged; movements of their own are not."""

import numpy as np
import pytest
from numpy.typing import NDArray
from test_events import bump, finder

from expllm.core.vocabulary import AU_NAMES
from expllm.video.crosstalk import with_copies_flagged
from expllm.video.events import Event, grouped

TIMES = np.arange(0, 6, 0.04)


def events(**curves: NDArray[np.floating]) -> dict[str, Event]:
    """The events of some curves, by unit; an underscore stands for a space."""
    change = np.zeros((len(TIMES), len(AU_NAMES)), np.float32)
    for name, curve in curves.items():
        change[:, AU_NAMES.index(name.replace("_", " "))] = curve
    found = [one for i, unit in enumerate(AU_NAMES) for one in finder(TIMES).find(unit, change[:, i])]
    flagged = with_copies_flagged(found, TIMES, change)
    assert len(flagged) == len(curves)
    return {one.unit: one for one in flagged}


def smile(left: float, right: float, later: float = 0.0) -> dict[str, Event]:
    return events(
        left_lip_corner_pull=bump(TIMES, 1, 0.3, 0.6, 0.4, left),
        right_lip_corner_pull=bump(TIMES, 1 + later, 0.3, 0.6, 0.4, right),
    )


def test_a_one_sided_smile_that_is_read_on_the_other_side_too() -> None:
    found = smile(0.9, 0.38)
    assert found["left lip corner pull"].flags == ()
    assert found["right lip corner pull"].flags == ("mirrored",)
    assert [len(group) for group in grouped(list(found.values()))] == [1]


@pytest.mark.parametrize(("left", "right", "later"), [(0.9, 0.6, 0.0), (0.9, 0.38, 0.6), (0.9, 0.38, 3.0)])
def test_an_uneven_smile_and_one_that_comes_later_are_their_own(
    left: float, right: float, later: float
) -> None:
    assert all(one.trusted for one in smile(left, right, later).values())


def test_lips_that_seem_to_move_as_the_jaw_drops() -> None:
    jaw = bump(TIMES, 1, 0.3, 0.6, 0.4, 0.8)
    found = events(jaw_drop=jaw, lower_lip_depress=0.3 * jaw, right_brow_raise=0.3 * jaw)
    assert found["lower lip depress"].flags == ("beside",)
    assert found["jaw drop"].trusted
    assert found["right brow raise"].trusted  # too far away to be read in place of it
    strong = events(jaw_drop=jaw, lower_lip_depress=0.6 * jaw)
    assert strong["lower lip depress"].trusted


def test_what_is_doubtful_itself_has_no_copies() -> None:
    raised = bump(TIMES, 1, 0.3, 0.6, 0.4, 0.9)
    found = events(left_lid_raise=raised, right_lid_raise=0.3 * raised)
    assert found["right lid raise"].flags == ("unsteady",)
