"""The importer, with a small checkpoint in the released code's own keys and layout."""

import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from safetensors.torch import save_file
from smallmodels import features, inputs, logits
from torch import Tensor, nn

from expllm.core.errors import MissingWeights, OutputError
from expllm.core.vocabulary import label_set
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.checkpoint import load_model
from expllm.model.hub.import_released import CLIP_MEAN, import_released, interpolated
from expllm.model.manifest import ModelError, read_manifest
from expllm.model.presets import PRESETS, Preset
from expllm.model.vlm import inner
from expllm.model.weight_keys import Differences

UNTIED: Final = replace(
    PRESETS["tiny"], language=replace(PRESETS["tiny"].language, tied=False),
    tower=replace(PRESETS["tiny"].tower, native_image=98),
)  # fmt: skip
"""Vicuna's output layer is its own, and a DINOv2 has places for larger pictures."""


def released_model() -> Bundle:
    """What the released checkpoint would hold, with adapters that do something."""
    bundle = new_bundle(UNTIED, label_set(7), seed=4)
    drawn = torch.Generator().manual_seed(4)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name or "layer_scale" in name or "position" in name or "bias" in name:
            parameter.data = torch.randn(parameter.shape, generator=drawn) * 0.3
    bundle.model.eval()
    return bundle


def released_state(bundle: Bundle) -> dict[str, Tensor]:
    """By the released code's keys: models/locllm.py there; LocLLM's models/lora.py and models/dino.py."""
    own = {name.replace(".base_layer", "").replace(".default", ""): parameter.detach().clone()
           for name, parameter in inner(bundle.model).named_parameters()}  # fmt: skip
    state = {"lm_head.weight": own["lm_head.weight"]}
    for name, tensor in own.items():
        if name.startswith("model.language_model."):
            key = "model." + name.removeprefix("model.language_model.")
            state[re.sub(r"(lora_[AB])\.weight", r"\1", key)] = tensor
    for layer in range(bundle.preset.language.layers):
        state[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    for ours, theirs in (("linear_1", 0), ("linear_2", 2)):
        for end in ("weight", "bias"):
            state[f"mm_projector.{theirs}.{end}"] = own[f"model.multi_modal_projector.{ours}.{end}"]
    tower = {
        name.removeprefix("model.vision_tower."): tensor for name, tensor in own.items() if "vision" in name
    }
    return state | {f"vision_model.{key}": tensor for key, tensor in _tower_state(tower).items()}


def _tower_state(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {
        "cls_token": own["embeddings.cls_token"], "mask_token": own["embeddings.mask_token"],
        "pos_embed": own["embeddings.position_embeddings"], "norm.weight": own["layernorm.weight"],
        "norm.bias": own["layernorm.bias"],
    }  # fmt: skip
    for end in ("weight", "bias"):
        state[f"patch_embed.proj.{end}"] = own[f"embeddings.patch_embeddings.projection.{end}"]
    for number in range(2):
        block, layer = f"blocks.{number}.", f"encoder.layer.{number}."
        for end in ("weight", "bias"):
            state[f"{block}attn.qkv.{end}"] = torch.cat(
                [own[f"{layer}attention.{x}_proj.{end}"] for x in "qkv"]
            )
            state[f"{block}attn.proj.{end}"] = own[f"{layer}attention.o_proj.{end}"]
            for part in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                state[f"{block}{part}.{end}"] = own[f"{layer}{part}.{end}"]
        for which in "AB":
            for letter in "qv":
                weight = own[f"{layer}attention.{letter}_proj.lora_{which}.weight"]
                state[f"{block}attn.lora_{which}_{letter}"] = weight
        for half in "12":
            state[f"{block}ls{half}.gamma"] = own[f"{layer}layer_scale{half}.lambda1"]
    return state


def reference_features(state: Mapping[str, Tensor], pixels: Tensor, preset: Preset) -> Tensor:
    """The released tower's forward, written down again from its formulas: [batch, patches, hidden]."""
    tower, functional = preset.tower, nn.functional
    at = {key.removeprefix("vision_model."): one for key, one in state.items() if key.startswith("vision")}

    def norm(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (tower.hidden,), at[f"{name}.weight"], at[f"{name}.bias"], 1e-6)

    x = functional.conv2d(
        pixels, at["patch_embed.proj.weight"], at["patch_embed.proj.bias"], stride=tower.patch
    )
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([at["cls_token"].expand(len(x), -1, -1), x], 1)
    x = x + interpolated(at["pos_embed"], tower.image // tower.patch)
    for number in range(tower.layers):
        b = f"blocks.{number}."
        y = norm(x, f"{b}norm1")
        q, k, v = functional.linear(y, at[f"{b}attn.qkv.weight"], at[f"{b}attn.qkv.bias"]).chunk(3, -1)
        q = q + y @ at[f"{b}attn.lora_A_q"].T @ at[f"{b}attn.lora_B_q"].T * 2  # alpha 16 over rank 8
        v = v + y @ at[f"{b}attn.lora_A_v"].T @ at[f"{b}attn.lora_B_v"].T * 2
        q, k, v = (one.reshape(*one.shape[:2], tower.heads, -1).transpose(1, 2) for one in (q, k, v))
        scores = (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(-1)
        y = (scores @ v).transpose(1, 2).flatten(2)
        y = functional.linear(y, at[f"{b}attn.proj.weight"], at[f"{b}attn.proj.bias"])
        x = x + y * at[f"{b}ls1.gamma"]
        y = functional.linear(norm(x, f"{b}norm2"), at[f"{b}mlp.fc1.weight"], at[f"{b}mlp.fc1.bias"])
        y = functional.linear(functional.gelu(y), at[f"{b}mlp.fc2.weight"], at[f"{b}mlp.fc2.bias"])
        x = x + y * at[f"{b}ls2.gamma"]
    return norm(x, "norm")[:, 1:]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return released_state(released_model())


def test_a_checkpoint_gives_the_released_features_and_logits(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "pytorch_model.bin")
    report = import_released(tmp_path / "pytorch_model.bin", tmp_path / "m", UNTIED, label_set(7))
    assert report.whole
    assert len(report.mapped) == len(state) - 2
    assert {key.rpartition("rotary_emb.")[2] for key, _ in report.ignored} == {"inv_freq"}
    loaded = load_model(tmp_path / "m")
    given = inputs(loaded)
    expected = reference_features(state, given["pixel_values"], UNTIED)
    torch.testing.assert_close(features(loaded.model, given["pixel_values"]), expected, rtol=1e-4, atol=1e-5)
    original = released_model()
    places = interpolated(state["vision_model.pos_embed"], 2)
    inner(original.model).model.vision_tower.embeddings.position_embeddings.data = places
    torch.testing.assert_close(logits(loaded.model, given), logits(original.model, given), rtol=0, atol=0)


def test_the_released_transform_comes_along(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "pytorch_model.bin")
    import_released(tmp_path, tmp_path / "m", UNTIED, label_set(8))
    manifest = read_manifest(tmp_path / "m")
    assert manifest.preset.tower.mean == CLIP_MEAN
    assert manifest.labels == label_set(8)
    assert manifest.card["imported from"] == tmp_path.name


def test_nothing_is_replaced(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(OutputError, match="something is there"):
        import_released(tmp_path / "pytorch_model.bin", tmp_path, UNTIED, label_set(7))


def test_pieces_and_safetensors(state: dict[str, Tensor], tmp_path: Path) -> None:
    keys = sorted(state)
    for number, part in enumerate((keys[:20], keys[20:])):
        save_file({key: state[key] for key in part}, tmp_path / f"model-0000{number}-of-00002.safetensors")
    assert import_released(tmp_path, tmp_path / "m", UNTIED, label_set(7)).whole


def test_a_report_key_by_key(state: dict[str, Tensor], tmp_path: Path) -> None:
    changed = dict(state)
    del changed["mm_projector.2.bias"]
    changed["vision_model.norm.weight"] = torch.ones(5)
    changed["vision_model.blocks.1.attn.qkv.bias"] = torch.ones(9)
    changed["vision_model.blocks.7.ls1.gamma"] = torch.ones(5)
    changed["optimizer.step"] = torch.ones(1)
    changed["lm_head.weight"] = changed["lm_head.weight"] * float("nan")
    torch.save(changed, tmp_path / "model.bin")
    report = import_released(tmp_path / "model.bin", tmp_path / "m", UNTIED, label_set(7))
    assert not report.whole
    assert report.differences == Differences(
        ("mm_projector.2.bias",), ("optimizer.step", "vision_model.blocks.7.ls1.gamma"),
        (("vision_model.blocks.1.attn.qkv.bias", (9,), (192,)), ("vision_model.norm.weight", (5,), (64,))),
        ("lm_head.weight",),
    )  # fmt: skip
    lines = list(report.lines(everything=True))
    assert "missing: mm_projector.2.bias" in lines
    assert "unexpected: optimizer.step" in lines
    assert "shape differs: vision_model.norm.weight: [5], not [64]" in lines
    assert "NaN or infinity: lm_head.weight" in lines
    assert any(line.startswith("mapped: lm_head.weight -> lm_head.weight") for line in lines)
    assert lines[-1].endswith("1 missing, 2 unexpected, 2 of another shape")
    assert not (tmp_path / "m").exists()
    with pytest.raises(
        ModelError, match=r"mm_projector\.2\.bias is missing; optimizer\.step, .* are not exp"
    ):
        report.check(tmp_path)


class Owned:
    """Runs code when it is unpickled by a reader without limits."""

    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"lm_head.weight": Owned()}, tmp_path / "torch.bin")
    (tmp_path / "bare.bin").write_bytes(pickle.dumps({"lm_head.weight": Owned()}))
    for name in ("torch.bin", "bare.bin"):
        with pytest.raises(ModelError, match="restricted reader refuses") as caught:
            import_released(tmp_path / name, tmp_path / "m", UNTIED, label_set(7))
        assert name in caught.value.line
    assert not (tmp_path / "owned").exists()


def test_a_damaged_checkpoint(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "whole.bin")
    (tmp_path / "cut.bin").write_bytes((tmp_path / "whole.bin").read_bytes()[:-200])
    (tmp_path / "empty.bin").touch()
    for name, problem in (("cut.bin", "cut short"), ("empty.bin", "is empty")):
        with pytest.raises(MissingWeights, match=rf"{name}: is {problem}|{name}: {problem}"):
            import_released(tmp_path / name, tmp_path / "m", UNTIED, label_set(7))
    keys = sorted(state)
    save_file({key: state[key] for key in keys[:20]}, tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(MissingWeights, match="1 of 2 pieces are there"):
        import_released(tmp_path, tmp_path / "m", UNTIED, label_set(7))


def test_no_checkpoint(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.bin"):
        with pytest.raises(MissingWeights, match="no checkpoint"):
            import_released(path, tmp_path / "m", UNTIED, label_set(7))
    torch.save([1, 2], tmp_path / "list.bin")
    with pytest.raises(ModelError, match="something else than tensors"):
        import_released(tmp_path / "list.bin", tmp_path / "m", UNTIED, label_set(7))


def test_places_are_interpolated_as_in_the_released_code() -> None:
    """518 pixels to 224: near to what `transformers` makes, and not the same."""
    slope = torch.linspace(0, 1, 37)
    square = torch.stack([slope[:, None].expand(37, 37), slope[None].expand(37, 37)])[None]  # [1, 2, 37, 37]
    places = torch.cat([torch.full((1, 1, 2), 9.0), square.flatten(2).transpose(1, 2)], dim=1)
    found = interpolated(places, 16)
    assert found.shape == (1, 257, 2)
    assert found[0, 0].tolist() == [9.0, 9.0]
    other = nn.functional.interpolate(square, size=(16, 16), mode="bicubic").flatten(2).transpose(1, 2)
    difference = (other - found[:, 1:])[0, 12 * 16, 0]
    # The thirteenth of 16 rows is read 37 (12.5/16 - 12.5/16.1) = 0.18 of 37 rows earlier.
    assert float(difference) == pytest.approx(37 * (12.5 / 16 - 12.5 / 16.1) / 36, rel=0.2)
    assert interpolated(found, 16) is found
