"""A small model with a convolutional tower, as the one that ships has."""

from dataclasses import replace

from expllm.model.presets import Lora, Preset, VisionConfig, preset

TOWER = VisionConfig(
    hidden=24, layers=8, heads=1, patch=16, image=48, native_image=48,
    mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), kind="conv", widths=(8, 8, 16, 24),
)  # fmt: skip
SMALL: Preset = replace(
    preset("tiny"), name="small-conv", tower=TOWER, lora=Lora(targets=("q_proj", "v_proj", "second"))
)
