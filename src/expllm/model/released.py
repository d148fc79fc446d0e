"""Reads a checkpoint of the authors' released code (github starhiking/ExpLLM-TMM) into a model's folder.

Their model is one state: a causal Llama, and beside it a DINOv2 by Meta's own names, with queries, keys and
values in one layer (`qkv`) and the adapters inside the attention (`lora_A_q`). A checkpoint holds the frozen
weights too, and all of them are taken from it: nothing else is needed but the tokenizer.
"""

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from expllm.errors import MissingWeights
from expllm.faces import Expression
from expllm.model.bundle import Bundle
from expllm.model.expllm import empty_model, inner, with_lora
from expllm.model.layout import ModelError, check_new
from expllm.model.load import load_tokenizer
from expllm.model.presets import Preset
from expllm.model.quiet import quiet_transformers
from expllm.model.store import save
from expllm.model.tensors import load_weights

CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""The released code normalises by CLIP's figures, though its tower is a DINOv2."""
PROMPT_WARNING: Final = (
    "the released code asks in a format of its own (TASK, USER, ASSISTANT), and this folder asks in this "
    "project's: expect less than the published accuracy until the model is trained on"
)
TOWER: Final = "model.vision_tower"
BLOCK: Final = r"vision_model\.blocks\.(\d+)\."
LAYER: Final = rf"{TOWER}.encoder.layer.\1"
RULES: Final = (
    (r"model\.(layers\.\d+\.self_attn\.[qv]_proj\.lora_[AB])", r"model.language_model.\1.weight"),
    (r"model\.(embed_tokens\.weight|norm\.weight|layers\..+)", r"model.language_model.\1"),
    (r"(lm_head\.weight)", r"\1"),
    (r"mm_projector\.0\.(weight|bias)", r"model.multi_modal_projector.linear_1.\1"),
    (r"mm_projector\.2\.(weight|bias)", r"model.multi_modal_projector.linear_2.\1"),
    (r"vision_model\.(cls_token|mask_token)", rf"{TOWER}.embeddings.\1"),
    (r"vision_model\.pos_embed", rf"{TOWER}.embeddings.position_embeddings"),
    (
        r"vision_model\.patch_embed\.proj\.(weight|bias)",
        rf"{TOWER}.embeddings.patch_embeddings.projection.\1",
    ),
    (r"vision_model\.norm\.(weight|bias)", rf"{TOWER}.layernorm.\1"),
    (BLOCK + r"(norm[12]\.\w+|mlp\.fc[12]\.\w+)", rf"{LAYER}.\2"),
    (BLOCK + r"attn\.proj\.(weight|bias)", rf"{LAYER}.attention.o_proj.\2"),
    (BLOCK + r"attn\.lora_([AB])_([qv])", rf"{LAYER}.attention.\3_proj.lora_\2.weight"),
    (BLOCK + r"attn\.qkv\.(weight|bias)", rf"{LAYER}.attention.[qkv]_proj.\2"),
    (BLOCK + r"ls([12])\.gamma", rf"{LAYER}.layer_scale\2.lambda1"),
)
"""What a key becomes, by the first pattern that is all of it. `[qkv]` stands for three layers."""
IGNORED: Final = ((r".*rotary_emb\.inv_freq", "computed from the sizes"),)


@dataclass(frozen=True)
class Report:
    """What became of each key of a checkpoint.

    Attributes:
        mapped: Key, and the weights that it became.
        ignored: Key, and why it is not needed.
        missing: Weights of the model that the checkpoint lacks.
        misfits: Key, and what does not fit.
    """

    mapped: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    misfits: tuple[tuple[str, str], ...]

    @property
    def whole(self) -> bool:
        """Whether every weight of the model was found, and fits."""
        return not self.missing and not self.misfits

    def lines(self, *, everything: bool = False) -> Iterator[str]:
        """For people: what went wrong first; the keys that went well only if asked for."""
        yield from (f"shape differs: {key}: {why}" for key, why in self.misfits)
        yield from (f"missing: {name}" for name in self.missing)
        yield from (f"ignored: {key}: {why}" for key, why in self.ignored)
        if everything:
            yield from (f"mapped: {key} -> {name}" for key, name in self.mapped)
        counts = (len(self.mapped), len(self.ignored), len(self.missing), len(self.misfits))
        yield "{} keys mapped, {} ignored, {} weights missing, {} shapes differ".format(*counts)


def import_released(path: Path, output: Path, preset: Preset, labels: Sequence[Expression]) -> Report:
    """Writes a model's folder if the checkpoint has every weight of the preset; else only reports.

    Args:
        path: A file, or the folder with its pieces.
        preset: Its sizes; where the weights come from does not matter.

    Raises:
        MissingWeights: there is no checkpoint, or the tokenizer cannot be had.
        ModelError: the file is none, or may run code.
        OutputError: the folder cannot be written.
    """
    check_new(output)
    state = read_checkpoint(path)
    own = as_released(preset)
    model = with_lora(empty_model(own), own.lora)
    names = {_plain(name): name for name, _ in inner(model).named_parameters()}
    found, report = placed(state, {_plain(name): one for name, one in inner(model).named_parameters()}, own)
    if report.whole:
        weights = {names[name]: _precise(name, tensor) for name, tensor in found.items()}
        inner(model).load_state_dict(weights, strict=False, assign=True)
        inner(model).tie_weights()
        bundle = Bundle(model, load_tokenizer(preset.language), own, tuple(labels))
        card = {"imported from": path.name, "towers": [preset.tower.source, preset.language.source]}
        save(output, bundle, card)
    return report


def as_released(preset: Preset) -> Preset:
    """The preset with all weights in its folder, places for one size, and CLIP's normalisation."""
    tower = replace(preset.tower, source=None, native_image=preset.tower.image, mean=CLIP_MEAN, std=CLIP_STD)
    language = replace(preset.language, source=None, weights="random", gguf=None)
    return replace(preset, tower=tower, language=language, quantization="none")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint, by key. Nothing that is pickled in it can run.

    Raises:
        MissingWeights: there is none.
        ModelError: a file is no checkpoint, or holds something else than tensors.
    """
    files = sorted(_pieces(path)) if path.is_dir() else [path]
    if not files or not path.exists():
        raise MissingWeights(f"{path}: no checkpoint is there: give the file, or the folder with its pieces")
    state: dict[str, Tensor] = {}
    for file in files:
        state |= load_weights(file) if file.suffix == ".safetensors" else _unpickled(file)
    return state


def _pieces(folder: Path) -> list[Path]:
    return [*folder.glob("model*.safetensors")] or [*folder.glob("pytorch_model*.bin")]


def _unpickled(path: Path) -> dict[str, Tensor]:
    try:
        with quiet_transformers():  # PyTorch warns of old pickles before it refuses them
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{path}: PyTorch's restricted reader refuses it ({reason[:120]}): it is damaged, or holds code"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(one, Tensor) for one in found.values()):
        raise ModelError(
            f"{path}: holds something else than tensors by name: give the model's own checkpoint"
        )
    return found


def placed(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], preset: Preset
) -> tuple[dict[str, Tensor], Report]:
    """The checkpoint's tensors by our names, and what became of each key.

    Args:
        expected: Our weights by name; only shapes are looked at.
    """
    found: dict[str, Tensor] = {}
    mapped, ignored, misfits = [], [], []
    for key, tensor in state.items():
        reason = next((why for pattern, why in IGNORED if re.fullmatch(pattern, key)), None)
        name = _renamed(key)
        if reason or name is None:
            ignored.append((key, reason or "no part of the released model that is known here"))
            continue
        pieces = _split(name, tensor)
        if name.endswith("position_embeddings"):
            pieces = {name: interpolated(tensor, preset.tower.image // preset.tower.patch)}
        wrong = [_misfit(one, piece, expected) for one, piece in pieces.items()]
        if why := next(filter(None, wrong), None):
            misfits.append((key, why))
            continue
        found |= pieces
        mapped.append((key, name))
    missing = sorted(expected.keys() - found.keys() - _named(misfits))
    return found, Report(tuple(mapped), tuple(ignored), tuple(missing), tuple(misfits))


def _named(misfits: list[tuple[str, str]]) -> set[str]:
    """Our weights that have a key, though one that does not fit: they are not missing as well."""
    return {one for key, _ in misfits for one in _split(_renamed(key) or "", torch.empty(3))}


def _renamed(key: str) -> str | None:
    for pattern, name in RULES:
        if match := re.fullmatch(pattern, key):
            return match.expand(name)
    return None


def _split(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Queries, keys and values lie one below the other: [3 hidden, ...]."""
    if "[qkv]" not in name:
        return {name: tensor}
    return {
        name.replace("[qkv]", letter): piece for letter, piece in zip("qkv", tensor.chunk(3), strict=True)
    }


def _misfit(name: str, tensor: Tensor, expected: Mapping[str, Tensor]) -> str | None:
    if name not in expected:
        return f"there is no {name} in this preset"
    if tensor.shape != expected[name].shape:
        return f"{[*tensor.shape]}, and {name} is {[*expected[name].shape]}"
    return None


def interpolated(places: Tensor, side: int) -> Tensor:
    """Position embeddings for `side` x `side` patches, as the released code makes them at every step.

    It scales by (side + 0.1) over the old side, so that rounding cannot lose a row; `transformers` scales to
    the size itself, which gives slightly other embeddings. They are therefore made here, once.

    Args:
        places: [1, 1 + patches, hidden], class token first.
    """
    old = round((places.shape[1] - 1) ** 0.5)
    if old == side or old * old != places.shape[1] - 1:
        return places
    square = places[:, 1:].float().reshape(1, old, old, -1).permute(0, 3, 1, 2)
    factor = (side + 0.1) / old
    new = nn.functional.interpolate(square, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([places[:, :1].float(), new.flatten(2).transpose(1, 2)], dim=1)


def _plain(name: str) -> str:
    return name.replace(".base_layer.", ".").replace(".default.", ".")


def _precise(name: str, tensor: Tensor) -> Tensor:
    """Projector and adapters are held in 32 bits."""
    return tensor.float() if ".lora_" in name or "projector" in name else tensor
