"""A token tree gives what each continuation by itself gives."""

from functools import cache
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from smallmodels import tiny_bundle
from torch import Tensor, nn

from expllm.model.inference.label_scoring import PROMPT, score_tree, token_tree
from expllm.model.inference.llama import LlamaDecoder, readable
from expllm.model.vlm import inner

CONTINUATIONS = st.lists(
    st.lists(st.integers(10, 14), min_size=1, max_size=5).map(tuple), min_size=1, max_size=9, unique=True
)
"""Few tokens, so that many first tokens are shared."""


def sharp_llava() -> Any:
    """A random model that prefers some tokens by far: a difference of 1e-4 would mean nothing otherwise."""
    llava = inner(tiny_bundle().model.merge_and_unload())  # type: ignore[operator]
    drawn = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in llava.model.language_model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.randn(parameter.shape, generator=drawn) * 0.15)
    return llava


@cache
def plain() -> Any:
    return sharp_llava()


@cache
def lean() -> LlamaDecoder:
    llava = sharp_llava()
    return LlamaDecoder(llava.model.language_model, llava.lm_head)


@torch.inference_mode()
def one_by_one(ids: Tensor, continuations: list[tuple[int, ...]]) -> Tensor:
    """[rows, continuations] by the model of `transformers`, each in a sequence of its own."""
    sums = []
    for tokens in continuations:
        whole = torch.cat([ids, torch.tensor([tokens]).expand(len(ids), -1)], dim=1)
        hidden = plain().model.language_model(input_ids=whole).last_hidden_state
        told = plain().lm_head(hidden).log_softmax(-1)[:, ids.shape[1] - 1 : -1]
        sums.append(told.gather(2, whole[:, ids.shape[1] :, None]).sum((1, 2)))
    return torch.stack(sums, dim=1)


@torch.inference_mode()
def by_tree(ids: Tensor, continuations: list[tuple[int, ...]], known: int = 0) -> Tensor:
    """The same by a tree; the first `known` tokens are in memory already."""
    language, memory = lean(), lean().memory(len(ids))
    places = torch.arange(ids.shape[1])[None]
    if known:
        language.read(language.embed(ids[:, :known]), memory, places[:, :known])
        memory.length = known
    rest = language.embed(ids[:, known:])
    return score_tree(language, memory, rest, places[:, known:], token_tree(continuations))


@settings(max_examples=60)
@given(
    CONTINUATIONS,
    st.lists(st.lists(st.integers(10, 300), min_size=6, max_size=6), min_size=1, max_size=3),
    st.integers(0, 5),
)
def test_a_tree_equals_separate_sequences(
    continuations: list[tuple[int, ...]], prompts: list[list[int]], known: int
) -> None:
    ids = torch.tensor(prompts)
    expected = one_by_one(ids, continuations)
    assert (by_tree(ids, continuations, known) - expected).abs().max() < 1e-4


def test_the_small_model_has_preferences() -> None:
    sums = one_by_one(torch.tensor([[20, 21, 22]]), [(10, 11), (11, 10), (12, 13)])
    assert sums.max() - sums.min() > 0.5


@given(CONTINUATIONS)
def test_a_tree_reads_each_beginning_once(continuations: list[tuple[int, ...]]) -> None:
    beginnings = {tokens[:end] for tokens in continuations for end in range(1, len(tokens))}
    tree = token_tree(continuations)
    assert len(tree.tokens) == len(beginnings)
    for tokens, told in zip(continuations, tree.foretold, strict=True):
        assert tuple(token for _, token in told) == tokens
        assert told[0][0] == PROMPT
    for node, parent in enumerate(tree.parents):
        assert parent < node
        assert tree.depths[node] == (0 if parent == PROMPT else tree.depths[parent] + 1)


def test_rows_of_different_lengths_are_filled_up_at_the_left() -> None:
    drawn = torch.Generator().manual_seed(5)
    texts = [torch.randint(10, 300, (1, length), generator=drawn) for length in (4, 7, 1)]
    continuations = [(10, 11), (10, 12, 13), (14,)]
    apart = torch.cat([by_tree(ids, continuations) for ids in texts])
    language, memory = lean(), lean().memory(3)
    longest = max(ids.shape[1] for ids in texts)
    ids, places = torch.zeros(3, longest, dtype=torch.long), torch.zeros(3, longest, dtype=torch.long)
    for row, text in enumerate(texts):
        ids[row, longest - text.shape[1] :] = text[0]
        places[row, longest - text.shape[1] :] = torch.arange(text.shape[1])
    real = ids != 0
    with torch.inference_mode():
        together = score_tree(language, memory, language.embed(ids), places, token_tree(continuations), real)
    assert (together - apart).abs().max() < 1e-4


@torch.inference_mode()
def test_memory_forgets_swaps_and_skips_holes() -> None:
    language = lean()
    drawn = torch.Generator().manual_seed(6)
    ids = torch.randint(10, 300, (2, 9), generator=drawn)
    places = torch.arange(9)[None]
    memory = language.memory(2)
    real = torch.ones(2, 5, dtype=torch.bool)
    real[1, 2:] = False  # the second row has two tokens, and three places that are none
    language.read(language.embed(ids[:, :5]), memory, places[:, :5], real=real)
    memory.keep(5, real)
    memory.swap(0, 1)
    swapped = ids[[1, 0]]
    tail = torch.stack([torch.arange(2, 6), torch.arange(5, 9)])
    new = torch.stack([swapped[0, 2:6], swapped[1, 5:9]])
    hidden = language.read(language.embed(new), memory, tail)
    for row, text in ((0, swapped[0, :6]), (1, swapped[1, :9])):
        alone = plain().model.language_model(input_ids=text[None]).last_hidden_state[0, -4:]
        assert (hidden[row] - alone).abs().max() < 1e-4
    memory.forget(2)
    assert not memory.holes
    again = language.read(language.embed(swapped[:, 2:]), memory, places[:, 2:])
    alone = plain().model.language_model(input_ids=swapped).last_hidden_state[:, 2:]
    assert (again - alone).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_a_step_is_a_step_of_the_plain_model(dtype: torch.dtype) -> None:
    llava = sharp_llava().to(dtype)
    language = LlamaDecoder(llava.model.language_model, llava.lm_head)
    expected = sharp_llava().to(dtype).model.language_model
    ids = torch.arange(10, 20)[None]
    memory = language.memory(1)
    language.read(language.embed(ids[:, :9]), memory, torch.arange(9)[None])
    memory.keep(9)
    step = language.read(language.embed(ids[:, 9:]), memory, torch.tensor([[9]]))
    difference = (step[0, 0] - expected(input_ids=ids).last_hidden_state[0, -1]).abs().max()
    assert difference < (
        1e-4 if dtype is torch.float32 else 0.1
    )  # hidden states are about 1, bf16 has 3 digits


def test_other_models_are_read_by_transformers() -> None:
    assert readable(sharp_llava().model.language_model)
    assert not readable(tiny_bundle().model)
    adapted: nn.Module = inner(tiny_bundle().model).model.language_model
    assert not readable(adapted)  # its adapters would be lost
