"""The model: `transformers`' Llava with a DINOv2 tower, and `peft`'s LoRA in both towers (paper, III-C).

Llava takes a tower's last hidden state *before* its final norm; DINOv2's own features, and those of the
released code, come after it. `PatchTower` is the tower that says so. Everything else is the libraries'.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling

from expllm.core.errors import UsageError
from expllm.model.families import family_of
from expllm.model.presets import LanguageConfig, Lora, Preset, VisionConfig
from expllm.model.quiet import quiet_transformers
from expllm.model.tokenize import IGNORE
from expllm.model.vision import ConvConfig, ConvTower

MODEL_PARTS: Final = ("projector", "tower_lora", "language_lora", "tower", "language")
"""What can be trained: the adapters of the two towers, or all of their weights."""


class PatchTower(Dinov2Model):
    """DINOv2 whose one hidden state is that after the final norm: [batch, 1 + patches, hidden].

    The class token comes first; Llava drops it (`vision_feature_select_strategy="default"`), for the paper
    feeds patches only.
    """

    def forward(self, pixel_values: Tensor | None = None, **kwargs: Any) -> BaseModelOutputWithPooling:
        kwargs.pop("output_hidden_states", None)
        found = super().forward(pixel_values=pixel_values, **kwargs)
        found.hidden_states = (found.last_hidden_state,)
        return found


def tower_config(tower: VisionConfig) -> Dinov2Config | ConvConfig:
    """The sizes of a tower as `transformers` writes them."""
    if tower.kind == "conv":
        return ConvConfig(tower.widths, tower.image)
    return Dinov2Config(
        hidden_size=tower.hidden, num_hidden_layers=tower.layers, num_attention_heads=tower.heads,
        mlp_ratio=tower.mlp_ratio, image_size=tower.native_image, patch_size=tower.patch,
    )  # fmt: skip


def new_tower(config: Dinov2Config | ConvConfig) -> PatchTower | ConvTower:
    """A tower of these sizes; its weights are drawn at random."""
    return ConvTower(config) if isinstance(config, ConvConfig) else PatchTower(config)


def language_config(language: LanguageConfig) -> LlamaConfig:
    """The sizes of a language model as `transformers` writes them."""
    return LlamaConfig(
        hidden_size=language.hidden, num_hidden_layers=language.layers, num_attention_heads=language.heads,
        num_key_value_heads=language.kv_heads, intermediate_size=language.intermediate,
        vocab_size=language.vocabulary, max_position_embeddings=language.context,
        tie_word_embeddings=language.tied, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": language.rope_theta},
    )  # fmt: skip


def llava_config(
    tower: Dinov2Config | ConvConfig, language: LlamaConfig, image_token_id: int, image_tokens: int
) -> LlavaConfig:
    """Both towers under one roof: two-layer projector with GELU, features of the tower's end."""
    return LlavaConfig(
        vision_config=tower, text_config=language, image_token_index=image_token_id,
        image_seq_length=image_tokens, vision_feature_layer=-1, vision_feature_select_strategy="default",
        projector_hidden_act="gelu", tie_word_embeddings=bool(language.tie_word_embeddings),
    )  # fmt: skip


def empty_model(preset: Preset, image_token_id: int = 0) -> LlavaForConditionalGeneration:
    """The model with its sizes and no weights, on the meta device: nothing is read, nothing allocated."""
    config = llava_config(
        tower_config(preset.tower), language_config(preset.language), image_token_id, preset.tower.tokens
    )
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
        model.model.vision_tower = new_tower(config.vision_config)
    return model


def joined(
    tower: PatchTower | ConvTower, language: nn.Module, image_token_id: int, image_tokens: int, seed: int
) -> LlavaForConditionalGeneration:
    """One model from a tower and a causal language model; the projector is drawn under `seed`.

    Args:
        language: A `LlamaForCausalLM` or another model with `model` and `lm_head`.
        image_tokens: Visual tokens of one picture.
    """
    config = llava_config(tower.config, language.config, image_token_id, image_tokens)
    with torch.device("meta"):
        model = LlavaForConditionalGeneration(config)
    model.model.vision_tower = tower
    model.model.language_model = language.model
    model.lm_head = language.lm_head
    model.model.multi_modal_projector = new_projector(model, seed)
    return model


def new_projector(model: LlavaForConditionalGeneration, seed: int) -> nn.Module:
    """A projector of the model's sizes, in 32-bit floats; no other draw is disturbed."""
    projector = model.model.multi_modal_projector.to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in (projector.linear_1, projector.linear_2):
            layer.reset_parameters()
    return projector.float()


def with_lora(model: LlavaForConditionalGeneration, lora: Lora, seed: int = 0) -> PeftModel:
    """Puts adapters into both towers; they change nothing until they are trained (`lora_B` is zero).

    Raises:
        UsageError: no layer of the model bears a target's name.
    """
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, bias="none",
        target_modules=_targets(model, lora),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def adapted_layers(model: nn.Module, lora: Lora) -> tuple[str, ...]:
    """Ends of the names of the layers that get an adapter: those of `lora`, else those of the family."""
    return lora.targets or family_of(inner(model)).adapters


def _targets(model: nn.Module, lora: Lora) -> str:
    """One pattern for all layers of both towers that get an adapter; the projector is trained whole and gets
    none."""
    ends, where = adapted_layers(model, lora), module_names(model)
    layers = [path for path, module in model.named_modules() if not [*module.children()]]
    patterns = []
    for part, roots in (("tower", where.tower), ("language", where.language)):
        inside = [path for path in layers if parameter_part(path, where) == part]
        there = [end for end in ends if any(path.endswith(f".{end}") for path in inside)]
        if there:
            patterns.append(rf"(.*\.)?({_any_of(roots)})\.(.*\.)?({_any_of(there)})")
    if not patterns:
        raise UsageError(f"no layer is called {' or '.join(ends)}: name others with model.lora.targets")
    beside = "".join(rf"(?!.*{re.escape(path)}\.)" for path in where.projector)
    return f"{beside}({'|'.join(patterns)})"


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))


@dataclass(frozen=True)
class ModuleNames:
    """Where the parts of a model are: paths of modules in it. What is in none of them is the projector's.

    Attributes:
        other: What neither a picture nor a text reaches, such as an encoder of sound: it is never trained.
    """

    tower: tuple[str, ...]
    language: tuple[str, ...]
    projector: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


_OWN: Final = ModuleNames(("vision_tower",), ("language_model", "lm_head"), ("multi_modal_projector",))


def module_names(model: nn.Module) -> ModuleNames:
    """The parts of a model, as `transformers` tells them.

    Raises:
        UsageError: it has no vision encoder, or no language model.
    """
    plain = inner(model)
    paths = {module: path for path, module in plain.named_modules()}
    encoder, decoder = paths.get(plain.get_encoder("image")), paths.get(plain.get_decoder())
    if not encoder or not decoder:
        what = "language model" if encoder else "vision encoder"
        raise UsageError(f"{type(plain).__name__}: has no {what} of its own: choose another model")
    output = paths.get(plain.get_output_embeddings())
    family = family_of(plain)
    inside = tuple(f"{encoder}.{name}" for name in family.projector)
    sound = paths.get(plain.get_encoder("audio"))
    other = (*family.other, *([sound] if sound else []))
    return ModuleNames((encoder,), (decoder, *([output] if output else [])), inside, other)


def parameter_part(name: str, where: ModuleNames = _OWN) -> str:
    """Which of `MODEL_PARTS` a parameter belongs to, by its name in the model, adapted or not; or "other"."""
    path = f".{name}."
    kinds = {
        "other": where.other, "projector": where.projector, "tower": where.tower, "language": where.language
    }  # fmt: skip
    holding = (part for part, paths in kinds.items() if any(f".{one}." in path for one in paths))
    found = next(holding, "projector")
    return f"{found}_lora" if ".lora_" in name and found in ("tower", "language") else found


def train_only(model: nn.Module, parts: tuple[str, ...]) -> dict[str, int]:
    """Lets exactly these parts learn, in 32-bit floats; the number of weights that learn, by part.

    Raises:
        UsageError: a part has no such name, or the model has none of it.
    """
    unknown = [part for part in parts if part not in MODEL_PARTS]
    if unknown:
        raise UsageError(f"no part {unknown[0]!r} to train: choose among {', '.join(MODEL_PARTS)}")
    counts, where = dict.fromkeys(parts, 0), module_names(model)
    for name, parameter in model.named_parameters():
        part = parameter_part(name, where)
        # DINOv2's mask token serves its pretraining alone: no gradient ever comes, and DDP would wait for it.
        learns = part in counts and not name.endswith("mask_token")
        parameter.requires_grad_(learns)
        if learns:
            counts[part] += parameter.numel()
            parameter.data = parameter.data.float()
    empty = [part for part, count in counts.items() if not count]
    if empty:
        raise UsageError(f"nothing to train in {', '.join(empty)}: the model has no such weights")
    return counts


@dataclass(frozen=True)
class Losses:
    """What a batch costs.

    Attributes:
        total: Sum of the negative log-likelihoods of all supervised tokens, in nats, each by its row's
            weight; has a gradient.
        tokens: How many there are.
        by_row: [batch] sum of each row, without gradient.
        tokens_by_row: [batch] number of each row.
    """

    total: Tensor
    tokens: int
    by_row: Tensor
    tokens_by_row: Tensor


@dataclass(frozen=True)
class SoftLabels:
    """How likely each answer of a set is right, where it is not one answer that is learned.

    Attributes:
        tokens: [answers] first token of each; answers may share one.
        shares: [batch, answers] in 0-1, summing to 1; all 0 in a row that learns its one answer.
    """

    tokens: Tensor
    shares: Tensor


def supervised_losses(
    model: nn.Module,
    inputs: dict[str, Tensor],
    labels: Tensor,
    doubt: SoftLabels | None = None,
    weights: Tensor | None = None,
) -> Losses:
    """Loss over the supervised positions; no other position is projected onto the vocabulary.

    Args:
        model: Llava, plain or with adapters, or another image-text-to-text model of `transformers`.
        inputs: What its `forward` takes, less the labels.
        labels: [batch, length] token ids, `IGNORE` where nothing is learned.
        doubt: What the first supervised token of a row may be. The loss there is the mean of what it is for
            one answer drawn from the shares, without the noise of drawing.
        weights: [batch] what a token of each row counts in the total; 1 by default.
    """
    targets = labels[:, 1:]
    rows, columns = torch.nonzero(targets != IGNORE, as_tuple=True)
    logits = token_logits(inner(model), inputs, rows, columns)
    losses = nn.functional.cross_entropy(logits.float(), targets[rows, columns], reduction="none")
    if doubt is not None:
        losses = _doubted(losses, logits, rows, doubt)
    by_row = torch.zeros(len(labels), device=losses.device).index_add_(0, rows, losses.detach())
    total = losses.sum() if weights is None else (losses * weights[rows]).sum()
    return Losses(total, len(rows), by_row, torch.bincount(rows, minlength=len(labels)))


def token_logits(model: Any, inputs: dict[str, Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """[positions, vocabulary] logits behind the tokens at these rows and columns.

    Others than Llava may do more with logits than its output layer (Gemma caps them), so their own `forward`
    makes them, of all columns where any row has one.
    """
    if isinstance(model, LlavaForConditionalGeneration):
        hidden = model.model(**inputs, use_cache=False).last_hidden_state  # [batch, length, hidden]
        return model.lm_head(hidden[rows, columns])
    kept, place = torch.unique(columns, return_inverse=True)
    return model(**inputs, use_cache=False, logits_to_keep=kept).logits[rows, place]


def _doubted(losses: Tensor, logits: Tensor, rows: Tensor, doubt: SoftLabels) -> Tensor:
    """The losses, with those of the doubted first tokens in their places."""
    first = torch.ones_like(rows, dtype=torch.bool)
    first[1:] = rows[1:] != rows[:-1]
    first &= doubt.shares.sum(-1)[rows] > 0
    shares = doubt.shares[rows[first]]
    expected = -(logits[first].float().log_softmax(-1)[:, doubt.tokens] * shares).sum(-1)
    return losses.masked_scatter(first, expected)


def inner(model: nn.Module) -> Any:
    """The model of `transformers` inside of adapters and of what spreads it over devices."""
    while True:
        if isinstance(model, PeftModel):
            model = model.base_model.model
        elif isinstance(model, nn.parallel.DistributedDataParallel):
            model = model.module
        else:
            return model
