"""Train the network that proposes where small faces may be (`expllm.faces.small_faces`).

    python scripts/train_small_faces.py --data ../shared/data

Faces of portraits, shrunk to 9-34 pixels, are pasted onto enlarged pieces of portraits and onto made
textures, or stand in collages. The network learns which places are the middle of a face of 11-27 pixels. No
render is among them: `benchmarks/faces.py` judges on faces of another kind.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from crowds import BACKGROUNDS
from numpy.typing import NDArray
from photographs import SETS, Photograph, photographs
from PIL import Image, ImageDraw, ImageFilter
from small_networks import PlaceNetwork, ship

from expllm.faces.small_faces import LIKELY, SMALL_FACES_ASSET

SIDE, CROP, STRIDE = 160, 128, 8
LOWEST, LARGEST = 10.5, 28.0
POOL, BATCH, RATE, RENEWED = 1500, 24, 4e-3, 3
EVALUATED = 480
"""Scenes of faces held out."""

Box = tuple[float, float, float, float]
Pixels = NDArray[np.uint8]
Light = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture [160, 160, 3] and the faces in it."""

    pixels: Pixels
    boxes: list[Box]


def scene(faces: list[Photograph], seed: int) -> Scene:
    """A picture with none, some or many faces."""
    draws = random.Random(seed)
    picture, boxes = _background(faces, draws)
    if len(boxes) < 2:
        taken: list[Box] = []
        for _ in range(draws.choice((0, 2, 5, 9))):
            size = math.exp(draws.uniform(math.log(9), math.log(34)))
            _paste(picture, draws.choice(faces), size, taken, boxes, draws)
    if draws.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(draws.uniform(0.2, 0.9)))
    return Scene(np.asarray(picture), boxes)


def _background(faces: list[Photograph], draws: random.Random) -> tuple[Image.Image, list[Box]]:
    """A piece of a portrait, a texture, or a collage of portraits, and the faces in it."""
    kind = draws.random()
    if kind < 0.4:
        face = draws.choice(faces)
        image = Image.fromarray(face.pixels)
        scale = max(1.01 * SIDE / min(image.size), draws.uniform(0.7, 3.5))
        large = image.resize([math.ceil(scale * length) for length in image.size], Image.Resampling.BICUBIC)
        left, top = draws.randint(0, large.width - SIDE), draws.randint(0, large.height - SIDE)
        x, y, wide, high = (scale * value for value in face.box)
        return large.crop((left, top, left + SIDE, top + SIDE)), [(x - left, y - top, wide, high)]
    if kind < 0.75:
        texture = draws.choice(BACKGROUNDS)(
            (2 * SIDE, 2 * SIDE), np.random.default_rng(draws.randint(0, 2**31))
        )
        return Image.fromarray(texture).resize((SIDE, SIDE), Image.Resampling.BOX), []
    return _collage(faces, draws)


def _collage(faces: list[Photograph], draws: random.Random) -> tuple[Image.Image, list[Box]]:
    picture, boxes, top = Image.new("RGB", (SIDE, SIDE)), [], 0
    while top < SIDE:
        cell = draws.randint(22, 70)
        for left in range(-draws.randint(0, cell), SIDE, cell):
            face = draws.choice(faces)
            image = Image.fromarray(face.pixels)
            scale = cell / min(image.size)
            small = image.resize(
                [max(1, round(scale * length)) for length in image.size], Image.Resampling.LANCZOS
            )
            picture.paste(small.crop((0, 0, cell, cell)), (left, top))
            x, y, wide, high = (scale * value for value in face.box)
            boxes.append((left + x, top + y, wide, high))
        top += cell
    return picture, boxes


def _paste(
    picture: Image.Image,
    face: Photograph,
    size: float,
    taken: list[Box],
    boxes: list[Box],
    draws: random.Random,
) -> None:
    """A head in a soft oval, where there is room for it."""
    x, y, wide, high = face.box
    across, down = wide * draws.uniform(0.6, 0.9), high * draws.uniform(0.7, 1.0)
    middle = x + wide / 2, y + 0.4 * high
    mask = Image.new("L", (face.pixels.shape[1], face.pixels.shape[0]), 0)
    ImageDraw.Draw(mask).ellipse(
        (middle[0] - across, middle[1] - down, middle[0] + across, middle[1] + down), fill=255
    )
    scale = size / max(wide, high)
    shape = [max(2, round(scale * length)) for length in mask.size]
    left, top = draws.randint(-4, SIDE - 8), draws.randint(-4, SIDE - 8)
    cut = (left + scale * (middle[0] - across), top + scale * (middle[1] - down),
           left + scale * (middle[0] + across), top + scale * (middle[1] + down))  # fmt: skip
    if any(cut[0] < b[2] and cut[1] < b[3] and cut[2] > b[0] and cut[3] > b[1] for b in taken):
        return
    head = Image.fromarray(face.pixels).resize(shape, Image.Resampling.LANCZOS)
    picture.paste(head, (left, top), mask.resize(shape))
    taken.append(cut)
    boxes.append((left + scale * x, top + scale * y, scale * wide, scale * high))


def targets(boxes: list[Box]) -> tuple[Light, Light]:
    """What is wanted [16, 16], and its weight: 0 where either answer will do."""
    places = CROP // STRIDE
    wanted, weights = np.zeros((places, places), np.float32), np.ones((places, places), np.float32)
    at = (np.arange(places) + 0.5) * STRIDE
    for x, y, wide, high in boxes:
        middle, size = (x + wide / 2, y + high / 2), max(wide, high)
        right, down = np.abs(at[None, :] - middle[0]), np.abs(at[:, None] - middle[1])
        whole = x > -0.15 * wide and y > -0.15 * high and x + 0.85 * wide < CROP and y + 0.85 * high < CROP
        near = np.maximum(right, down) < max(0.6 * size, 0.76 * STRIDE)
        weights[near & (wanted == 0) & (7 <= size <= 44)] = 0
        if LOWEST <= size <= LARGEST and whole:
            middle_here = np.hypot(right, down) < max(0.2 * size, 0.71 * STRIDE)
            wanted[middle_here], weights[middle_here] = 1, 1
    return wanted, weights


def view(one: Scene, draws: np.random.Generator) -> tuple[Light, list[Box]]:
    """A part of a scene in another light, perhaps mirrored or grey: [3, 128, 128] in -0.5 to 0.5."""
    left, top = draws.integers(0, SIDE - CROP + 1, 2).tolist()
    pixels = one.pixels[top : top + CROP, left : left + CROP]
    boxes = [(x - left, y - top, wide, high) for x, y, wide, high in one.boxes]
    if draws.random() < 0.5:
        pixels, boxes = pixels[:, ::-1], [(CROP - x - wide, y, wide, high) for x, y, wide, high in boxes]
    if draws.random() < 0.3:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    curve = (np.arange(256, dtype=np.float32) / 255) ** math.exp(draws.uniform(-0.6, 0.6))
    curve = (curve - 0.5) * draws.uniform(0.5, 1.15) + 0.5 + draws.uniform(-0.15, 0.15)
    light = curve.clip(0, 1)[pixels].transpose(2, 0, 1) - 0.5
    if draws.random() < 0.3:
        light = light + draws.normal(0, draws.uniform(0, 0.04), light.shape)
    return light.astype(np.float32), boxes


def loss_of(scores: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Focal loss a face: most places are easy."""
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
    sure = torch.where(wanted > 0, torch.sigmoid(scores), torch.sigmoid(-scores))
    each = weights * entropy * (1 - sure) ** 2 * torch.where(wanted > 0, 4.0, 1.0)
    return each.sum() / (wanted.sum() + 20)


class Lesson:
    """Scenes that are renewed while the network learns from views of them."""

    def __init__(self, faces: list[Photograph], pool: int) -> None:
        self._faces = faces
        self._pool = [scene(faces, seed) for seed in range(pool)]
        self._draws = np.random.default_rng(0)
        self._batches = 0

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pictures [N, 3, 128, 128], what is wanted and its weight [N, 16, 16]."""
        self._batches += 1
        if self._batches % RENEWED == 0:
            number = len(self._pool) + self._batches // RENEWED
            self._pool[number % len(self._pool)] = scene(self._faces, number)
        some = self._draws.integers(0, len(self._pool), BATCH)
        views = [view(self._pool[int(i)], self._draws) for i in some]
        arrays = [(light, *targets(boxes)) for light, boxes in views]
        pictures, wanted, weights = (torch.from_numpy(np.stack(one)) for one in zip(*arrays, strict=True))
        return pictures, wanted, weights


def train(lesson: Lesson, seconds: float) -> PlaceNetwork:
    """The network after so many seconds of processor time."""
    network, step, losses = PlaceNetwork(), 0, 0.0
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-4)
    begin = time.process_time()
    while (done := (time.process_time() - begin) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        pictures, wanted, weights = lesson.batch()
        loss = loss_of(network(pictures), wanted, weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step, losses = step + 1, losses + loss.item()
        if step % 200 == 0:
            print(f"step {step}, {done:.0%}: loss {losses / 200:.2f}", flush=True)
            losses = 0.0
    return network


def held_out(network: PlaceNetwork, faces: list[Photograph]) -> str:
    """Of faces held out, how many middles are likely places; and likely places without a face."""
    lesson, hits, middles, false = Lesson(faces, EVALUATED), 0, 0, 0
    least = math.log(LIKELY / (1 - LIKELY))
    for _ in range(EVALUATED // BATCH):
        pictures, wanted, weights = lesson.batch()
        with torch.no_grad():
            scores = network(pictures)
        peaks = scores >= torch.nn.functional.max_pool2d(scores[:, None], 3, 1, 1)[:, 0]
        hits += int(((scores > least) & (wanted > 0)).sum())
        middles += int((wanted > 0).sum())
        false += int((peaks & (scores > least) & (wanted == 0) & (weights > 0)).sum())
    megapixels = EVALUATED * CROP * CROP / 1e6
    return (
        f"held out: {hits / middles:.1%} of the middles of small faces are likely places, "
        f"and {false / megapixels:.0f} other places a megapixel of a level"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300, help="of training, processor time")
    parser.add_argument("--faces", type=int, default=4000)
    parser.add_argument("--cache", type=Path, help="folder that keeps what was read of the photographs")
    options = parser.parse_args()
    found = photographs(options.data, SETS[0], options.faces, options.cache)
    network = train(Lesson([one for one in found if not one.held_out], POOL), options.seconds)
    print(report := held_out(network, [one for one in found if one.held_out]))
    ship(network, SMALL_FACES_ASSET, SETS[:1], report)


if __name__ == "__main__":
    main()
