"""Sampled tokens: where a number falls among the probabilities, and what was read with room for more."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from expllm.train.rollouts import ROOM, WORD_BLOCK, RoomyLayer, drawn_words


@given(seed=st.integers(0, 2**20), words=st.integers(1, 3 * WORD_BLOCK), sharp=st.floats(0.1, 8))
def test_a_number_falls_where_the_sum_of_the_probabilities_passes_it(
    seed: int, words: int, sharp: float
) -> None:
    drawn = torch.Generator().manual_seed(seed)
    shares = (sharp * torch.randn(5, words, generator=drawn)).softmax(-1)
    shares[:, ::3] *= words < 3  # words that may not be drawn
    shares = shares / shares.sum(-1, keepdim=True)
    numbers = torch.rand(5, generator=drawn, dtype=torch.float64)
    found = drawn_words(shares, numbers)
    sums = shares.double().cumsum(-1)
    for row, word in enumerate(found.tolist()):
        assert shares[row, word] > 0
        end = float(sums[row, word] / sums[row, -1])
        assert end - float(shares[row, word]) - 1e-6 <= float(numbers[row]) <= end + 1e-6


def test_the_ends_of_the_numbers_are_words_that_can_be() -> None:
    shares = torch.zeros(3, 2 * WORD_BLOCK + 7)
    shares[:, 5] = shares[:, WORD_BLOCK + 1] = 0.5
    numbers = torch.tensor([0.0, 0.5, 1.0 - 2.0**-53], dtype=torch.float64)
    assert drawn_words(shares, numbers).tolist() == [5, WORD_BLOCK + 1, WORD_BLOCK + 1]


def test_how_often_a_word_is_drawn_is_its_probability() -> None:
    shares = torch.tensor([0.5, 0.0, 0.2, 0.3]).repeat(20_000, 1)
    numbers = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = torch.bincount(drawn_words(shares, numbers), minlength=4) / 20_000
    assert torch.allclose(counts, shares[0].double().float(), atol=0.02)
    assert counts[1] == 0


@given(
    steps=st.lists(st.integers(1, ROOM + 3), min_size=1, max_size=4),
    keep=st.lists(st.integers(0, 2), min_size=1, max_size=3),
)
def test_a_layer_with_room_holds_what_a_layer_without_holds(steps: list[int], keep: list[int]) -> None:
    drawn = torch.Generator().manual_seed(len(steps))
    plain = DynamicLayer()
    plain.update(*torch.randn(2, 3, 2, 5, 4, generator=drawn))
    roomy = RoomyLayer(plain)
    for number, tokens in enumerate(steps):
        new = torch.randn(2, roomy.keys.shape[0], 2, tokens, 4, generator=drawn)
        for mine, theirs in zip(roomy.update(*new), plain.update(*new), strict=True):
            assert torch.equal(mine, theirs)
        if number == 0:
            rows = torch.tensor(keep)
            roomy.batch_select_indices(rows)
            plain.batch_select_indices(rows)
    assert roomy.get_seq_length() == plain.get_seq_length()
