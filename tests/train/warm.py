"""What the fork server of the training tests loads once, so that each short training starts at once."""

import tempfile
from pathlib import Path

import torch
from small import INSTRUCT, recipe

from expllm.train.loss_curves import loss_curves
from expllm.train.recipe import DataConfig
from expllm.train.stages import open_model

torch.set_num_threads(1)
open_model(recipe(DataConfig(), INSTRUCT), INSTRUCT, None)
with tempfile.TemporaryDirectory() as folder:
    loss_curves([1, 2], {"label": [1.0, 0.5]}, Path(folder) / "losses.png")
