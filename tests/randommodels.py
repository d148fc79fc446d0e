"""A small random model, saved as a run of `expllm train` keeps it."""

from pathlib import Path

import torch

from expllm.core.vocabulary import label_set
from expllm.model import checkpoint
from expllm.model.bundle import new_bundle
from expllm.model.presets import preset

torch.set_num_threads(1)


def run_with_model(folder: Path, boxes: bool = False) -> Path:
    """A run's folder with a model in it. What it writes is no text of three parts."""
    folder.mkdir()
    bundle = new_bundle(preset("tiny"), label_set(7), seed=3)
    drawn = torch.Generator().manual_seed(3)
    for name, parameter in bundle.model.named_parameters():
        if ".lora_B." in name:  # zero when it is new
            parameter.data = torch.randn(parameter.shape, generator=drawn) * 0.3
    checkpoint.save(folder / "model", bundle, {"recipe": {"data": {"boxes": boxes}}})
    return folder
