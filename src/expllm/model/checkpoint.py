"""Saves a model to a folder, atomically, and loads it back bit for bit.

The adapter lies in `peft`'s own layout, so `PeftModel.from_pretrained` reads it as well. What can be had from
a hub or a carrier package is not written again, unless it was trained.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from expllm.core.errors import MissingWeights
from expllm.files.atomic import open_to_others
from expllm.files.atomic_folders import whole_folder
from expllm.model.build import Base, load_base, load_language, load_tokenizer, load_tower, put_together
from expllm.model.bundle import Bundle
from expllm.model.hub.merged_folder import load_plain
from expllm.model.hub.snapshots import resolve_revisions
from expllm.model.manifest import (
    ADAPTER,
    ADAPTER_CONFIG,
    WEIGHT_NAMES,
    Manifest,
    ModelError,
    check_files,
    is_model,
    read_manifest,
    sha256,
    write_manifest,
)
from expllm.model.presets import Preset
from expllm.model.quiet import quiet_transformers
from expllm.model.tensors import as_os_error, load_weights, save_weights
from expllm.model.vlm import (
    inner,
    language_config,
    module_names,
    new_tower,
    parameter_part,
    tower_config,
    with_lora,
)
from expllm.model.weight_keys import check_fit

_PACKAGES: Final = ("expllm", "torch", "transformers", "peft")


def save(
    folder: Path, bundle: Bundle, card: Mapping[str, Any], extra: Mapping[str, Any] | None = None
) -> None:
    """Writes a model; one that stands there is replaced when the new one is whole.

    Args:
        card: How it was trained, as JSON values.
        extra: What was found out since, as JSON values.

    Raises:
        OutputError: the folder cannot be written, or something else stands there.
    """
    with whole_folder(folder, is_model) as partial:
        _write_adapter(partial, bundle)
        for part in _written_parts(bundle):
            if state := part_state(bundle.model, part):
                save_weights(state, partial / WEIGHT_NAMES[part])
        if bundle.preset.hf is None and bundle.preset.language.source is None:
            bundle.tokenizer.save_pretrained(partial)
        manifest = Manifest(
            bundle.preset, bundle.labels, bundle.questions, bundle.trained, written_files(partial),
            card, extra or {}, package_versions(),
        )  # fmt: skip
        write_manifest(partial, manifest)


def written_files(folder: Path) -> dict[str, tuple[str, int]]:
    """SHA-256 and size of every file of a model; others than the user may read them from now on."""
    for path in folder.iterdir():
        open_to_others(path)  # safetensors keeps its files for the user alone
    return {path.name: (sha256(path), path.stat().st_size) for path in sorted(folder.iterdir())}


def package_versions() -> dict[str, str]:
    """Of the packages that write a model."""
    return {name: version(name) for name in _PACKAGES}


def load_model(
    folder: Path,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    *,
    unpacked: bool = False,
    preset: Preset | None = None,
) -> Bundle:
    """Loads a model for inference (`eval` mode).

    Args:
        dtype: Of the frozen weights. The projector, adapters, and parts that were trained whole keep theirs.
        device: Where it is to be; with a language model in 4 bits it is on the card in any case.
        preset: In place of the folder's own, where its base weights lie elsewhere now.
        unpacked: Also where the model was trained on a language model in 4 bits; this needs no NVIDIA GPU.

    Raises:
        UsageError: it is not a model directory.
        MissingWeights: a file is missing, cut or damaged, or the base model cannot be had.
        ModelError: it is of a newer version, or its parts do not fit its base model.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    if manifest.merged:
        return load_plain(folder, manifest, dtype, device)
    if preset is not None:
        manifest = replace(manifest, preset=preset)
    if unpacked:
        manifest = replace(manifest, preset=replace(manifest.preset, quantization="none"))
    base = _load_base(folder, manifest, dtype)
    for part in WEIGHT_NAMES:
        if WEIGHT_NAMES[part] in manifest.files:
            keep = part == "projector" or part in manifest.trained
            _fill(base.model, folder / WEIGHT_NAMES[part], part, None if keep else dtype)
        elif part in _needed_parts(manifest.preset, manifest.trained):
            raise MissingWeights(f"{folder / WEIGHT_NAMES[part]}: is missing: copy the whole folder again")
    model = with_lora(base.model, manifest.preset.lora)
    _fill_adapter(model, folder, manifest)
    # Weights in 4 bits are made on the card and cannot leave it.
    model.to(device if manifest.preset.quantization == "none" else "cuda").eval()
    return Bundle(
        model, base.tokenizer, base.preset, manifest.labels, manifest.questions,
        base.processor, manifest.trained,
    )  # fmt: skip


def read_card(folder: Path) -> dict[str, Any]:
    """The training card of a saved model; no weights are read.

    Raises:
        UsageError, ModelError: as `load_model`.
    """
    return dict(read_manifest(folder).card)


def part_state(model: nn.Module, part: str) -> dict[str, Tensor]:
    """The parameters of `projector`, `tower` or `language`, by their names in the model without adapters."""
    plain, where = inner(model).named_parameters(), module_names(model)
    return {
        name.replace(".base_layer.", "."): parameter.detach()
        for name, parameter in plain
        if parameter_part(name, where) == part
    }


def _write_adapter(folder: Path, bundle: Bundle) -> None:
    model: Any = bundle.model
    model.peft_config["default"].base_model_name_or_path = _base_name(bundle.preset)
    try:
        with quiet_transformers():
            # Not "auto": that would ask the hub about the base model's vocabulary.
            model.save_pretrained(folder, save_embedding_layers=False)
    except SafetensorError as error:
        raise as_os_error(error) from None
    (folder / "README.md").unlink(missing_ok=True)  # peft's own card says nothing; 'push' writes one


def _base_name(preset: Preset) -> str:
    """What the adapter was trained on; a name of its own, as two base models make one here."""
    return preset.hf or f"expllm/{preset.name}"


def _needed_parts(preset: Preset, trained: tuple[str, ...]) -> tuple[str, ...]:
    """What must be in the folder since it can be had nowhere else."""
    parts = {*trained}
    if preset.hf is None:
        parts.add("projector")
        parts |= {"tower"} if preset.tower.source is None else set()
        parts |= {"language"} if preset.language.source is None else set()
    return tuple(part for part in WEIGHT_NAMES if part in parts)


def _written_parts(bundle: Bundle) -> tuple[str, ...]:
    return tuple({"projector": 0, **dict.fromkeys(_needed_parts(bundle.preset, bundle.trained))})


def _load_base(folder: Path, manifest: Manifest, dtype: torch.dtype) -> Base:
    """The base model; parts whose only weights are in the folder have none yet."""
    preset = resolve_revisions(manifest.preset)
    if preset.hf is not None:
        return load_base(preset, dtype=dtype)
    tokenizer: Any = load_tokenizer(preset.language)
    if "tokenizer.json" in manifest.files:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if preset.language.source is None:
        language: nn.Module = _unfilled_language(preset)
    else:
        language = load_language(preset, 0, dtype)
    if preset.tower.source is None:
        with torch.device("meta"):
            tower = new_tower(tower_config(preset.tower))
        tower.to_empty(device="cpu")
    else:
        tower = load_tower(preset.tower, 0, dtype)
    return Base(put_together(preset, tokenizer, tower, language, 0), tokenizer, preset)


def _unfilled_language(preset: Preset) -> LlamaForCausalLM:
    """Memory that nothing was written to, so that a large model is not in memory twice."""
    config = language_config(preset.language)
    with torch.device("meta"):
        language = LlamaForCausalLM(config)
    language.to_empty(device="cpu")
    language.model.rotary_emb = LlamaRotaryEmbedding(config)  # computed, in no file
    language.tie_weights()
    return language


def _fill(model: nn.Module, path: Path, part: str, dtype: torch.dtype | None) -> None:
    """Puts a file's weights into a part of the model, all of it; `dtype` None keeps that of the file."""
    stored = load_weights(path)
    expected = part_state(model, part)
    check_fit(stored, expected, path)
    parameters = dict(model.named_parameters())
    for name, tensor in stored.items():
        parameters[name].data = tensor if dtype is None else tensor.to(dtype)


def _fill_adapter(model: nn.Module, folder: Path, manifest: Manifest) -> None:
    for name in (ADAPTER, ADAPTER_CONFIG):
        if name not in manifest.files:
            raise MissingWeights(f"{folder / name}: is missing: copy the whole folder again")
    named = _adapted_base(folder / ADAPTER_CONFIG)
    if named != _base_name(manifest.preset):
        raise ModelError(
            f"{folder / ADAPTER_CONFIG}: the adapter is for {named}, and the model is "
            f"{_base_name(manifest.preset)}: use the adapter that was saved with it"
        )
    stored = load_weights(folder / ADAPTER)
    check_fit(stored, get_peft_model_state_dict(model, save_embedding_layers=False), folder / ADAPTER)
    set_peft_model_state_dict(model, stored)


def _adapted_base(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read ({error}): save the model again") from None
