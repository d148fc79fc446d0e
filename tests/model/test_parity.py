"""What the model computes, held against the libraries' own and against sums written out by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from smallmodels import features, inputs, logits, shared_bundle, tiny_bundle
from transformers import Dinov2Model

from expllm.core.errors import UsageError
from expllm.core.vocabulary import label_set
from expllm.model.build import load_base
from expllm.model.bundle import new_bundle
from expllm.model.presets import PRESETS, TINY_TOWER, Lora
from expllm.model.tokenize import IGNORE
from expllm.model.vlm import (
    MODEL_PARTS,
    PatchTower,
    SoftLabels,
    inner,
    supervised_losses,
    tower_config,
    train_only,
    with_lora,
)


@pytest.mark.parametrize("side", [28, 70])
def test_features_are_dinov2s_after_its_norm_bit_for_bit(side: int) -> None:
    bundle = new_bundle(PRESETS["tiny"], label_set(7), seed=3)
    bundle.model.eval()
    tower = inner(bundle.model).model.vision_tower
    original = Dinov2Model(tower_config(TINY_TOWER)).eval()
    state = {
        name.replace(".base_layer", ""): one for name, one in tower.state_dict().items() if "lora" not in name
    }
    original.load_state_dict(state)
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = original(pixels).last_hidden_state[:, 1:]
        before_norm = original(pixels, output_hidden_states=True).hidden_states[-1][:, 1:]
    found = features(bundle.model, pixels)
    assert torch.equal(found, expected)
    assert not torch.allclose(found, before_norm, atol=0.1)


def test_the_tower_alone_gives_one_hidden_state() -> None:
    tower = PatchTower(tower_config(TINY_TOWER)).eval()
    with torch.no_grad():
        found: Any = tower(torch.zeros(1, 3, 28, 28), output_hidden_states=True)
    assert len(found.hidden_states) == 1
    assert torch.equal(found.hidden_states[0], found.last_hidden_state)


@settings(max_examples=20)
@given(rank=st.integers(1, 8), alpha=st.integers(1, 32), seed=st.integers(0, 99))
def test_an_adapter_by_hand(rank: int, alpha: int, seed: int) -> None:
    """y = W x + b + alpha / r B A x, in NumPy and 64 bits."""
    model = with_lora(load_base(PRESETS["tiny"]).model, Lora(rank=rank, alpha=alpha))
    layer: Any = inner(model).model.vision_tower.encoder.layer[0].attention.q_proj
    drawn = torch.Generator().manual_seed(seed)
    layer.lora_B["default"].weight.data = torch.randn(layer.lora_B["default"].weight.shape, generator=drawn)
    x = torch.randn(5, layer.in_features, generator=drawn)
    with torch.no_grad():
        found = layer.eval()(x).numpy()
    weight, bias, down, up, given_x = (
        one.detach().numpy().astype(np.float64)
        for one in (layer.base_layer.weight, layer.base_layer.bias, layer.lora_A["default"].weight,
                    layer.lora_B["default"].weight, x)
    )  # fmt: skip
    expected = given_x @ weight.T + bias + alpha / rank * (given_x @ down.T @ up.T)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_new_adapters_change_nothing() -> None:
    bundle = new_bundle(PRESETS["tiny"], label_set(7))
    bundle.model.eval()
    given_inputs = inputs(bundle)
    with bundle.model.disable_adapter():  # type: ignore[operator]
        without = logits(bundle.model, given_inputs)
    assert torch.equal(logits(bundle.model, given_inputs), without)


def test_adapters_are_on_queries_and_values_of_both_towers_only() -> None:
    names = {
        name.rpartition(".lora_A")[0]
        for name, _ in shared_bundle().model.named_parameters()
        if ".lora_A" in name
    }
    assert {name.rpartition(".")[2] for name in names} == {"q_proj", "v_proj"}
    assert len(names) == 2 * (PRESETS["tiny"].tower.layers + PRESETS["tiny"].language.layers)
    assert not [name for name in names if "projector" in name]


def test_the_loss_is_that_of_all_logits() -> None:
    """Only supervised positions are projected; the sum is that of the plain way."""
    bundle = shared_bundle()
    given_inputs = inputs(bundle, rows=3, length=9)
    labels = given_inputs["input_ids"].clone()
    labels[:, :-5] = IGNORE
    labels[1, -2:] = IGNORE
    found = supervised_losses(bundle.model, given_inputs, labels)
    all_logits = logits(bundle.model, given_inputs)[:, :-1]
    expected = torch.nn.functional.cross_entropy(
        all_logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORE, reduction="sum"
    )
    torch.testing.assert_close(found.total, expected, rtol=1e-5, atol=1e-5)
    assert found.tokens == 13
    assert found.tokens_by_row.tolist() == [5, 3, 5]
    torch.testing.assert_close(found.by_row.sum(), found.total.detach())


def test_a_doubted_answer_costs_what_its_answers_cost_on_average() -> None:
    """Shares of answers, two of them with the same first token, against each of them learned by itself."""
    bundle = shared_bundle()
    given_inputs = inputs(bundle, rows=3, length=9)
    labels = torch.full_like(given_inputs["input_ids"], IGNORE)
    labels[:, -3:] = torch.tensor([[11, 4, 5], [12, 6, 7], [13, 8, 9]])
    answers = torch.tensor([11, 12, 13, 11])
    shares = torch.tensor([[0.5, 0.3, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    found = supervised_losses(bundle.model, given_inputs, labels, SoftLabels(answers, shares))
    expected = torch.zeros(3)
    for share, answer in zip(shares.T, answers, strict=True):
        one = labels.clone()
        one[:, -3] = torch.where(shares.sum(1) > 0, answer, labels[:, -3])
        weight = torch.where(shares.sum(1) > 0, share, 1 / len(answers))
        expected += weight * supervised_losses(bundle.model, given_inputs, one).by_row
    torch.testing.assert_close(found.by_row, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.total.detach(), found.by_row.sum())
    assert found.total.requires_grad
    assert found.tokens_by_row.tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    "parts", [("projector",), ("tower_lora", "language_lora"), ("tower", "language"), MODEL_PARTS]
)
def test_only_the_parts_that_were_named_learn(parts: tuple[str, ...]) -> None:
    bundle = tiny_bundle()
    counts = train_only(bundle.model, parts)
    learning = [one for one in bundle.model.parameters() if one.requires_grad]
    assert sum(one.numel() for one in learning) == sum(counts.values())
    assert set(counts) == set(parts)
    assert {one.dtype for one in learning} == {torch.float32}


def test_parts_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="no part 'eyes' to train: choose among projector"):
        train_only(tiny_bundle().model, ("projector", "eyes"))
    with pytest.raises(UsageError, match="nothing to train in tower_lora"):
        train_only(load_base(PRESETS["tiny"]).model, ("projector", "tower_lora"))
    with pytest.raises(UsageError, match="no layer is called query"):
        with_lora(load_base(PRESETS["tiny"]).model, Lora(targets=("query",)))
