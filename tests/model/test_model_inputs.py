"""Pictures and talks as tensors: our own way. `test_bases` has that of other models."""

import numpy as np
from PIL import Image

from expllm.core.vocabulary import label_set
from expllm.data.augment import PictureChange
from expllm.model.bundle import new_bundle
from expllm.model.model_inputs import preparer
from expllm.model.presets import preset

LABELS = label_set(7)
FACE = Image.radial_gradient("L").convert("RGB").resize((50, 40))


def test_our_own_way_resizes_and_normalises() -> None:
    bundle = new_bundle(preset("tiny"), LABELS)
    way, tower = preparer(bundle), bundle.preset.tower
    grey = Image.new("RGB", (30, 60), (124, 116, 104))
    pixels = way.pixels(grey)["pixel_values"]
    assert pixels.shape == (3, tower.image, tower.image)
    assert pixels.dtype == np.float32
    expected = [
        (value / 255 - mean) / std
        for value, mean, std in zip((124, 116, 104), tower.mean, tower.std, strict=True)
    ]
    assert np.allclose(pixels, np.array(expected, np.float32)[:, None, None], atol=1e-6)
    flipped = way.pixels(FACE, PictureChange(flip=True))["pixel_values"]
    assert np.allclose(flipped[:, :, ::-1], way.pixels(FACE)["pixel_values"], atol=0.02)
