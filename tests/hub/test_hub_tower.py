"""DINOv2 out of the hub's own files: the features of its formulas, and not a tensor left out."""

from typing import Any

import pytest
import torch
from tinyhub import (
    COMMIT,
    DINOV2,
    LAYERS,
    PATCH,
    TOWER_HEADS,
    Form,
    TinyHub,
    as_folder,
    tower_files,
    tower_state,
)
from torch import Tensor
from torch.nn import functional
from transformers import Dinov2Model

from expllm.model.build import load_base, load_tower
from expllm.model.hub.snapshots import resolve_revisions
from expllm.model.presets import DINOV2_LARGE, PRESETS, VisionConfig
from expllm.model.vlm import PatchTower

SIDE = 224


def by_hand(state: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """DINOv2 (Oquab et al. 2023) from its formulas, by the hub's keys: [batch, patches, hidden]."""

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    kernel = state["embeddings.patch_embeddings.projection.weight"]
    patches = functional.unfold(pixels, PATCH, stride=PATCH).transpose(1, 2)  # [batch, patches, 3 * 14 * 14]
    x = patches @ kernel.flatten(1).T + state["embeddings.patch_embeddings.projection.bias"]
    x = torch.cat([state["embeddings.cls_token"].expand(len(x), -1, -1), x], 1)
    x = x + places(state["embeddings.position_embeddings"], pixels.shape[-1] // PATCH)
    for number in range(LAYERS):
        at = f"encoder.layer.{number}."
        y = norm(x, f"{at}norm1")
        q, k, v = (
            linear(y, f"{at}attention.attention.{name}").view(*y.shape[:2], TOWER_HEADS, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        seen = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v
        y = linear(seen.transpose(1, 2).flatten(2), f"{at}attention.output.dense")
        x = x + y * state[f"{at}layer_scale1.lambda1"]
        y = linear(norm(x, f"{at}norm2"), f"{at}mlp.fc1")
        y = linear(y * (1 + torch.erf(y / 2**0.5)) / 2, f"{at}mlp.fc2")
        x = x + y * state[f"{at}layer_scale2.lambda1"]
    return norm(x, "layernorm")[:, 1:]


def places(given: Tensor, side: int) -> Tensor:
    """Position embeddings of 37 x 37 patches at side x side: bicubic (Keys 1981, a = -0.75), edges kept."""
    old = round((given.shape[1] - 1) ** 0.5)
    grid = given[0, 1:].double().view(old, old, -1)
    weights = torch.zeros(side, old, dtype=torch.float64)
    for row in range(side):
        centre = (row + 0.5) * old / side - 0.5
        first = int(centre // 1) - 1
        for place in range(first, first + 4):
            weights[row, min(max(place, 0), old - 1)] += cubic(abs(centre - place))
    new = torch.einsum("ra,sb,abh->rsh", weights, weights, grid)
    return torch.cat([given[0, :1].double(), new.flatten(0, 1)])[None]


def cubic(x: float, a: float = -0.75) -> float:
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def pixels(rows: int = 2) -> Tensor:
    return torch.randn(rows, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def expected() -> Tensor:
    return by_hand({name: tensor.double() for name, tensor in tower_state().items()}, pixels().double())


@torch.no_grad()
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_features_are_those_of_the_formulas(
    form: Form, expected: Tensor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = as_folder(tmp_path_factory.mktemp("tower") / "dinov2", tower_files(form))
    tower = load_tower(settled_tower(str(folder)), 0, torch.float32)
    assert type(tower) is PatchTower
    found = tower(pixels()).hidden_states[-1][:, 1:].double()
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5
    plain = Dinov2Model.from_pretrained(folder)(pixels()).last_hidden_state
    assert torch.equal(tower(pixels()).last_hidden_state, plain)


def settled_tower(source: str) -> VisionConfig:
    return resolve_revisions(PRESETS["paper"].with_sources(tower=source), online=False).tower


@torch.no_grad()
def test_the_whole_model_sees_with_it(cached: TinyHub, expected: Tensor) -> None:
    """Through the preset, from the cache: the projector gets all patches, after the final norm."""
    base = load_base(PRESETS["paper"])
    tower = base.preset.tower
    assert (tower.hidden, tower.layers, tower.tokens, tower.revision) == (128, LAYERS, 256, COMMIT[DINOV2])
    model: Any = base.model.eval()
    seen: list[Tensor] = []
    model.model.multi_modal_projector.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.model.get_image_features(pixel_values=pixels())
    assert float((seen[0].double() - expected).abs().max() / expected.abs().max()) < 1e-5


def test_every_tensor_is_the_files_own(cached: TinyHub) -> None:
    tower = load_tower(DINOV2_LARGE, 0, torch.float32)
    renamed = {"query": "q_proj", "key": "k_proj", "value": "v_proj"}
    state = dict(tower.state_dict())
    for name, tensor in tower_state().items():
        own = name.replace("attention.output.dense", "attention.o_proj")
        for theirs, ours in renamed.items():
            own = own.replace(f"attention.attention.{theirs}", f"attention.{ours}")
        assert torch.equal(state.pop(own), tensor), name
    assert not state
