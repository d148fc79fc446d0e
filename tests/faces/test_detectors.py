"""Non-maximum suppression and boxes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from expllm.faces.detectors import Detection, suppress

corner = st.floats(0, 100, width=32)
boxes = st.lists(st.tuples(corner, corner, corner, corner, st.floats(0, 1, width=32)), max_size=12)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = [float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (a, b)]
    return shared / max(sum(areas) - shared, 1e-9)


@given(boxes)
def test_suppression_keeps_the_best_and_nothing_that_overlaps(rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows, np.float32).reshape(-1, 5)
    table[:, 2:4] += table[:, :2]  # corners in order
    kept = suppress(table[:, :4], table[:, 4], 0.4).tolist()
    if len(table):
        assert kept[0] == int(np.argmax(table[:, 4]))
    scores = table[kept, 4].tolist()
    assert scores == sorted(scores, reverse=True)
    for i, first in enumerate(kept):
        assert all(overlap(table[first, :4], table[other, :4]) <= 0.4 + 1e-5 for other in kept[i + 1 :])
    for lost in set(range(len(table))) - set(kept):
        assert any(overlap(table[lost, :4], table[better, :4]) > 0.4 - 1e-5 for better in kept)


def test_centre() -> None:
    assert Detection((10, 20, 30, 40), 0.5).centre == (25, 40)
