"""Encoded texts become one batch: nothing is lost, and what fills it up is marked."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from expllm.model.tokenize import IGNORE, Encoded, collate


def test_a_batch_is_filled_up_at_the_right() -> None:
    batch = collate(
        [Encoded([5, 6, 7], [IGNORE, 6, 7], "label"), Encoded([8], [8], "explanation")],
        pad_id=9,
        multiple_of=4,
    )
    assert batch["input_ids"].tolist() == [[5, 6, 7, 9], [8, 9, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORE, 6, 7, IGNORE], [8, IGNORE, IGNORE, IGNORE]]
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int64)}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 16))
def test_a_batch_loses_nothing(lengths: list[int], multiple: int) -> None:
    encoded = [Encoded(list(range(n)), list(range(n)), "label") for n in lengths]
    batch = collate(encoded, pad_id=0, multiple_of=multiple)
    assert batch["attention_mask"].sum(axis=1).tolist() == lengths
    width = batch["input_ids"].shape[1]
    assert width % multiple == 0
    assert max(lengths) <= width < max(lengths) + multiple
    for row, one in enumerate(encoded):
        assert batch["labels"][row, : len(one)].tolist() == one.labels
