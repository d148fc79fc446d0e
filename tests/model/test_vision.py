"""The convolutional tower: its grid, its place in the model, its weights from a file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from smallconv import SMALL, TOWER

from expllm.core.vocabulary import label_set
from expllm.model.bundle import new_bundle
from expllm.model.checkpoint import load_model, save
from expllm.model.inference.backend_choice import without_adapters
from expllm.model.inference.llama import readable
from expllm.model.manifest import ModelError
from expllm.model.vision import ConvConfig, ConvTower
from expllm.model.vlm import inner, parameter_part

LABELS = label_set(8)


def drawn() -> ConvTower:
    torch.manual_seed(0)
    tower = ConvTower(ConvConfig(TOWER.widths, TOWER.image))
    tower.eval()
    return tower


def test_cells_stand_row_by_row_behind_their_mean() -> None:
    tower = drawn()
    picture = torch.randn(2, 3, 48, 48)
    hidden = tower(picture).hidden_states[-1]
    assert hidden.shape == (2, 1 + TOWER.tokens, 24) == (2, 10, 24)
    torch.testing.assert_close(hidden[:, 0], hidden[:, 1:].mean(1))
    changed = picture.clone()
    changed[:, :, 40:, 40:] += 3  # the lower right corner reaches the last cell most
    moved = (tower(changed).last_hidden_state - hidden)[:, 1:].abs().mean((0, 2))
    assert moved.argmax() == 8


def test_a_model_with_it_is_saved_and_read_back(tmp_path: Path) -> None:
    bundle = new_bundle(SMALL, LABELS)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B" in name and "vision_tower" in name:
            torch.nn.init.normal_(parameter.data, std=0.1)
    save(tmp_path / "model", bundle, {})
    again = load_model(tmp_path / "model")
    pixels = torch.randn(1, 3, 48, 48)
    towers = [inner(one.model).model.vision_tower for one in (bundle, again)]
    torch.testing.assert_close(*(tower.eval()(pixels).last_hidden_state for tower in towers), rtol=0, atol=0)
    assert any(parameter_part(name) == "tower_lora" for name, _ in bundle.model.named_parameters())


def test_weights_of_a_tower_that_was_trained_before_are_taken_over(tmp_path: Path) -> None:
    tower = drawn()
    file = tmp_path / "tower.safetensors"
    save_file({f"model.vision_tower.{name}": one.data for name, one in tower.named_parameters()}, file)
    bundle = new_bundle(SMALL, LABELS, seed=5, tower_file=file)
    pixels = torch.randn(1, 3, 48, 48)
    model = inner(bundle.model).eval()
    torch.testing.assert_close(
        model.model.vision_tower(pixels).last_hidden_state, tower(pixels).last_hidden_state, rtol=0, atol=0
    )


def test_it_is_asked_the_fast_way() -> None:
    """Adapters on convolutions are added to the weights as those on matrices are."""
    bundle = new_bundle(SMALL, LABELS)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.normal_(parameter.data, std=0.1)
    pixels = torch.randn(1, 3, 48, 48)
    adapted = inner(bundle.model).eval().model.vision_tower(pixels).last_hidden_state
    merged = without_adapters(bundle.model)
    assert not [name for name, _ in merged.named_parameters() if ".lora_" in name]
    torch.testing.assert_close(
        merged.model.vision_tower(pixels).last_hidden_state, adapted, rtol=1e-4, atol=1e-4
    )
    assert readable(merged.model.language_model)


def test_another_towers_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tower.safetensors"
    save_file({"model.vision_tower.stem.weight": torch.zeros(8, 3, 5, 5)}, file)
    with pytest.raises(ModelError, match=r"tower\.safetensors: .*and \d+ more are missing"):
        new_bundle(SMALL, LABELS, tower_file=file)
