"""The shipped model without the libraries that train it, which take longer to import than a label takes.

Only a convolutional tower and a language model that a package carries are read this way, with the same
weights, and so with the same answers (`tests/model/test_light.py`). All others go through `checkpoint.load`.
"""

import json
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from expllm.core.conversations import Questions
from expllm.core.errors import MissingWeights
from expllm.core.vocabulary import Expression
from expllm.model.expected_weights import adapter_shapes, llama_shapes, projector_shapes
from expllm.model.gguf_cache import cached_model
from expllm.model.inference.audited_decoding import Ids
from expllm.model.inference.backend import InferenceBackend, LlamaBackend
from expllm.model.inference.llama import LlamaDecoder
from expllm.model.inference.packed_linear import packed_linear
from expllm.model.manifest import (
    ADAPTER,
    ADAPTER_CONFIG,
    AGAIN,
    LABEL_HEAD,
    WEIGHT_NAMES,
    Manifest,
    check_files,
    read_manifest,
)
from expllm.model.model_inputs import Preparer
from expllm.model.presets import Preset, VisionConfig
from expllm.model.residual_network import blocks_of, look, stem_of
from expllm.model.tensors import each_weight, load_weights
from expllm.model.tokenizer import LightTokenizer
from expllm.model.weight_files import tensor_shapes
from expllm.model.weight_keys import Differences, TensorShape, check_fit, check_keys, check_shapes, not_finite

_ADAPTED: Final = "base_model.model."
_CARRIED: Final = "model.language_model."
_TOWER: Final = "model.vision_tower."
_PROJECTOR: Final = "model.multi_modal_projector."
_BESIDE: Final = (*WEIGHT_NAMES.values(), ADAPTER, ADAPTER_CONFIG, LABEL_HEAD)


@dataclass(frozen=True)
class FastRuntime:
    """What `bundle.Bundle` is to a model that answers only. Its weights are read when it is to talk."""

    folder: Path
    carrier: Path
    manifest: Manifest
    tokenizer: LightTokenizer
    device: torch.device | str
    processor: None = None

    @property
    def preset(self) -> Preset:
        """Sizes and sources."""
        return self.manifest.preset

    @property
    def labels(self) -> tuple[Expression, ...]:
        """The label set, in the order in which probabilities are given."""
        return self.manifest.labels

    @property
    def questions(self) -> Questions:
        """What the model is asked, as it was in training."""
        return self.manifest.questions

    def backend(self, _: Preparer, dtype: torch.dtype | None, prompt: Ids) -> InferenceBackend:
        """The model, ready to answer; `prompt` is one of those that it will be given."""
        weights = _Weights(self, dtype or torch.float32)
        image_id = self.tokenizer.convert_tokens_to_ids(self.preset.language.image_token)
        assert image_id is not None
        return LlamaBackend(_language(weights), _Sight(weights), image_id, prompt[: prompt.index(image_id)])


def load_fast_runtime(folder: Path, device: torch.device | str) -> FastRuntime | None:
    """A model that can be read without the libraries; None for any other.

    Before the first answer on a machine SmolLM2 is unpacked, which needs them; None where it cannot be kept.

    Raises:
        UsageError, MissingWeights, ModelError: as `checkpoint.load`.
    """
    manifest = read_manifest(folder)
    preset = manifest.preset
    plain = preset.hf is None and preset.quantization == "none" and not manifest.trained
    here = preset.tower.kind == "conv" and preset.language.weights == "carrier"
    if not (plain and here and set(manifest.files) <= {*_BESIDE}):
        return None
    check_files(folder, manifest)
    needed = (WEIGHT_NAMES["tower"], WEIGHT_NAMES["projector"], ADAPTER)
    if missing := [name for name in needed if name not in manifest.files]:
        raise MissingWeights(f"{folder / missing[0]}: is missing: copy the whole folder again")
    carrier = cached_model(preset.language)
    if carrier is None:
        from expllm.model.build import unpack_gguf

        carrier = unpack_gguf(preset.language)
    if carrier is None:
        return None
    return FastRuntime(folder, carrier, manifest, LightTokenizer(carrier), device)


def _plain(name: str) -> str:
    """What a weight is called in Llava."""
    return name if name.startswith((_TOWER, _PROJECTOR)) else name.replace("model.", _CARRIED, 1)


class _Weights:
    """Weights by their names in Llava, adapters added, on the device and in the type asked for."""

    def __init__(self, bundle: FastRuntime, dtype: torch.dtype) -> None:
        self.preset, self.dtype, self.device = bundle.preset, dtype, bundle.device
        self._adapters = load_weights(bundle.folder / ADAPTER)
        self._scale = self.preset.lora.alpha / self.preset.lora.rank
        self.config: dict[str, Any] = json.loads((bundle.carrier / "config.json").read_text(encoding="utf-8"))
        self._carrier = bundle.carrier / "model.safetensors"
        held = self._checked(bundle.folder)
        self._files = {path: {_plain(name): name for name in shapes} for path, shapes in held.items()}
        shapes = {_plain(name): shape for names in held.values() for name, shape in names.items()}
        check_fit(self._adapters, adapter_shapes(shapes, self.preset.lora), bundle.folder / ADAPTER)

    def _checked(self, folder: Path) -> dict[Path, dict[str, TensorShape]]:
        """Names and shapes of the tensors in each file, which are those that the model has to have."""
        tower = {name: tuple(one.shape) for name, one in _net(self.preset.tower, "meta").named_parameters()}
        projector = projector_shapes(self.preset.tower.hidden, int(self.config["hidden_size"]))
        expected = {
            self._carrier: llama_shapes(self.config),
            folder / WEIGHT_NAMES["tower"]: {f"{_TOWER}{name}": shape for name, shape in tower.items()},
            folder / WEIGHT_NAMES["projector"]: {
                f"{_PROJECTOR}{name}": shape for name, shape in projector.items()
            },
        }
        held = {path: tensor_shapes(path, AGAIN) for path in expected}
        for path, shapes in expected.items():
            check_shapes(held[path], shapes, path)
        return held

    def part(self, prefix: str) -> dict[str, Tensor]:
        """All weights whose names begin so, by the rest of their names."""
        read: dict[str, Tensor] = {}
        for path, names in self._files.items():
            stored = {there: name for name, there in names.items() if name.startswith(prefix)}
            for there, weight in each_weight(path, list(stored)):
                if path != self._carrier:  # of that one every byte was looked at (`carried`)
                    check_keys(path, Differences(not_finite=not_finite({there: weight})), AGAIN)
                # A copy in any case: else the file stays mapped for the few tensors kept as they are.
                own = self._adapted(stored[there], weight.to(self.dtype, copy=True))
                read[stored[there].removeprefix(prefix)] = own
        return read

    def _adapted(self, name: str, weight: Tensor) -> Tensor:
        """Adapters are added in 32-bit floats, and the sum rounded, as `without_adapters` does."""
        layer = f"{_ADAPTED}{name.removesuffix('.weight')}"
        down, up = (self._adapters.get(f"{layer}.lora_{side}.weight") for side in "AB")
        if down is not None and up is not None and name.endswith(".weight"):
            # [rank, in, ...] and [out, rank, ...]; those of a convolution have a kernel behind.
            delta = (up.float().flatten(1) @ down.float().flatten(1) * self._scale).view(weight.shape)
            weight = (weight.float() + delta).to(self.dtype)
        return weight.to(self.device)


class _Sight:
    """Llava's tower and projector; see `Eyes`."""

    def __init__(self, weights: _Weights) -> None:
        self._net = _net(weights.preset.tower).to(weights.dtype).to(weights.device)
        self._net.load_state_dict(weights.part(_TOWER))
        self._net.eval().requires_grad_(requires_grad=False)
        projector = weights.part(_PROJECTOR)
        one, two = (_layer(projector, f"linear_{number}.") for number in (1, 2))
        self._first, self._second = packed_linear([one]), packed_linear([two])
        self._dtype = weights.dtype

    def tokens(self, pixels: Tensor) -> Tensor:
        cells = self._look(pixels)[:, 1:]  # their mean is not shown
        return self._second(gelu(self._first(cells)))

    def mean(self, pixels: Tensor) -> Tensor:
        return self._look(pixels)[:, 0]

    def _look(self, pixels: Tensor) -> Tensor:
        exact = pixels.dtype is torch.float64
        parts: Any = deepcopy(self._net).double() if exact else self._net
        return look(parts["stem"], parts["blocks"], pixels if exact else pixels.to(self._dtype))


def _net(tower: VisionConfig, device: str = "cpu") -> nn.ModuleDict:
    """The tower, its weights yet to be read."""
    with torch.device(device):
        return nn.ModuleDict({"stem": stem_of(tower.widths), "blocks": blocks_of(tower.widths)})


def _layer(stored: dict[str, Tensor], prefix: str) -> SimpleNamespace:
    """A linear layer, taken out of what is stored: weight, and bias if it has one."""
    return SimpleNamespace(weight=stored.pop(f"{prefix}weight"), bias=stored.pop(f"{prefix}bias", None))


def _language(weights: _Weights) -> LlamaDecoder:
    """`LlamaDecoder` from weights alone."""
    stored = weights.part(_CARRIED)
    embedding = stored["embed_tokens.weight"]
    # One by one: `LlamaDecoder` joins the weights of a layer, and two copies of all would be in memory.
    layers = (_block(stored, f"layers.{n}.") for n in range(weights.config["num_hidden_layers"]))
    config = SimpleNamespace(**weights.config)
    llama = SimpleNamespace(
        config=config, embed_tokens=partial(_embedded, embedding), layers=layers, rotary_emb=Rotary(config),
        norm=SimpleNamespace(weight=stored["norm.weight"]),
    )  # fmt: skip
    return LlamaDecoder(llama, SimpleNamespace(weight=embedding, bias=None))


def _embedded(weight: Tensor, ids: Tensor) -> Tensor:
    return weight[ids]


def _block(stored: dict[str, Tensor], prefix: str) -> SimpleNamespace:
    attention = {
        name: _layer(stored, f"{prefix}self_attn.{name}.")
        for name in ("q_proj", "k_proj", "v_proj", "o_proj")
    }
    mlp = {name: _layer(stored, f"{prefix}mlp.{name}.") for name in ("gate_proj", "up_proj", "down_proj")}
    norms = {
        name: SimpleNamespace(weight=stored[f"{prefix}{name}.weight"])
        for name in ("input_layernorm", "post_attention_layernorm")
    }
    return SimpleNamespace(self_attn=SimpleNamespace(**attention), mlp=SimpleNamespace(**mlp), **norms)


class Rotary:
    """Rotary embeddings (Su et al. 2021) of the default kind, as `LlamaRotaryEmbedding`."""

    def __init__(self, config: Any) -> None:
        width = config.hidden_size // config.num_attention_heads
        halves = torch.arange(0, width, 2, dtype=torch.int64).float()
        self._speeds = 1.0 / config.rope_parameters["rope_theta"] ** (halves / width)

    def to(self, device: torch.device) -> "Rotary":
        """Moves to a device."""
        self._speeds = self._speeds.to(device)
        return self

    def __call__(self, like: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine at [1, length] places: [1, length, width] each, of `like`'s type."""
        angles = places[..., None].float() * self._speeds
        both = torch.cat([angles, angles], dim=-1)
        return both.cos().to(like.dtype), both.sin().to(like.dtype)
