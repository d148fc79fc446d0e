"""Everything inference needs in one value: model, tokenizer, label set, prompts, sizes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from expllm.core.conversations import Questions
from expllm.core.vocabulary import Expression
from expllm.model.build import load_base
from expllm.model.presets import Preset
from expllm.model.vlm import with_lora

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from expllm.model.inference.audited_decoding import Ids
    from expllm.model.inference.backend import InferenceBackend
    from expllm.model.model_inputs import Preparer


@dataclass
class Bundle:
    """A model with its tokenizer, label set and prompts: for training, saving and inference.

    Attributes:
        model: The adapted model (`peft`).
        preset: Sizes and sources; where a part has no source, `store` writes its weights out.
        labels: The label set, in the order in which probabilities are given.
        questions: What the model is asked, as it was in training.
        processor: Of `hf:` presets.
        trained: Parts that were trained whole (`tower`, `language`) and so differ from their source.
    """

    model: nn.Module
    tokenizer: "PreTrainedTokenizerBase"
    preset: Preset
    labels: tuple[Expression, ...]
    questions: Questions = field(default_factory=Questions)
    processor: Any | None = None
    trained: tuple[str, ...] = ()

    def backend(self, prepared: "Preparer", dtype: torch.dtype | None, prompt: "Ids") -> "InferenceBackend":
        """An inference backend, which takes over the weights; `prompt` is an example of its prompts."""
        from expllm.model.inference.backend_choice import backend_for

        return backend_for(self, prepared, dtype, prompt)


def new_bundle(
    preset: Preset,
    labels: Sequence[Expression],
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    tower_file: Path | None = None,
) -> Bundle:
    """A new model: base weights, with projector and adapters initialised from `seed`.

    Args:
        dtype: Of the weights that stay frozen.
        tower_file: As `load_base`.

    Raises:
        MissingWeights, MissingDependency, ModelError, UsageError: as `load_base`.
    """
    base = load_base(preset, seed, dtype, tower_file)
    model = with_lora(base.model, base.preset.lora, seed)
    return Bundle(model, base.tokenizer, base.preset, tuple(labels), processor=base.processor)
