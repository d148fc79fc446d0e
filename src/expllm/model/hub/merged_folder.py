"""Loads a merged folder: a plain model with its processor and prompts."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlavaForConditionalGeneration

from expllm.model.build import fetched, load_hf, pretrained
from expllm.model.bundle import Bundle
from expllm.model.conv_llava import ConvLlava
from expllm.model.manifest import Manifest


def load_plain(folder: Path, manifest: Manifest, dtype: torch.dtype, device: torch.device | str) -> Bundle:
    """The model of a merged folder, without adapters: it answers, and is not trained on.

    The modules in the folder are not run: their classes are those of this package.

    Raises:
        ModelError: a key is missing, left over or misshapen.
        MissingWeights: a file cannot be read.
    """
    preset = manifest.preset
    if preset.hf is not None:
        base = load_hf(preset, str(folder), str(folder), dtype)
        model, tokenizer, processor = base.model, base.tokenizer, base.processor
    else:
        kind = ConvLlava if preset.tower.kind == "conv" else LlavaForConditionalGeneration
        model = pretrained(kind, str(folder), str(folder), dtype=dtype)
        tokenizer = fetched(str(folder), lambda: _tokenizer(folder, preset.language.pad_token))
        processor = None
    return Bundle(model.to(device).eval(), tokenizer, preset, manifest.labels, manifest.questions, processor)


def _tokenizer(folder: Path, pad_token: str) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    tokenizer.pad_token = pad_token
    return tokenizer
