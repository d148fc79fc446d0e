"""Train the network that proposes where small faces may be (`expllm.smallfaces`).

    python scripts/train_small_faces.py --data ../shared/data --seconds 600

Faces of portraits, shrunk to 9-34 pixels, are pasted onto enlarged pieces of portraits and onto made
textures, or stand in collages. The network learns which places are the middle of a face of 11-27 pixels. No
render is among them: `benchmarks/faces.py` judges on faces of another kind.
"""

from __future__ import annotations

import argparse
import math
import random
import time
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

from expllm.smallfaces import ASSET

SIDE, CROP, STRIDE = 160, 128, 4
LOWEST, LARGEST = 11.0, 27.0
POOL, BATCH = 700, 16
Box = tuple[float, float, float, float]
Scene = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


def scene(faces: list[Photograph], seed: int) -> Scene:
    """A picture of 160 x 160, its targets and weights [40, 40]; weight 0 where either answer will do."""
    draws = random.Random(seed)
    picture, boxes = _background(faces, draws)
    if len(boxes) < 2:
        taken: list[Box] = []
        for _ in range(draws.choice((0, 2, 5, 9))):
            size = math.exp(draws.uniform(math.log(9), math.log(34)))
            _paste(picture, draws.choice(faces), size, taken, boxes, draws)
    if draws.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(draws.uniform(0.2, 0.9)))
    return np.asarray(picture), *_targets(boxes)


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


def _targets(boxes: list[Box]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    places = SIDE // STRIDE
    wanted, weights = np.zeros((places, places), np.float32), np.ones((places, places), np.float32)
    at = (np.arange(places) + 0.5) * STRIDE
    for x, y, wide, high in boxes:
        middle, size = (x + wide / 2, y + high / 2), max(wide, high)
        right, down = np.abs(at[None, :] - middle[0]), np.abs(at[:, None] - middle[1])
        whole = x > -0.15 * wide and y > -0.15 * high and x + 0.85 * wide < SIDE and y + 0.85 * high < SIDE
        weights[(np.maximum(right, down) < 0.55 * size) & (wanted == 0) & (7 <= size <= 40)] = 0
        if LOWEST <= size <= LARGEST and whole:
            near = np.hypot(right, down) < max(0.2 * size, 2.9)
            wanted[near], weights[near] = 1, 1
    return wanted, weights


def view(one: Scene, draws: np.random.Generator) -> Scene:
    """A part of a scene in another light, perhaps mirrored or grey: [3, 128, 128] in -0.5 to 0.5."""
    pixels, *maps = one
    left, top = STRIDE * draws.integers(0, (SIDE - CROP) // STRIDE + 1, 2)
    pixels = pixels[top : top + CROP, left : left + CROP]
    size = CROP // STRIDE
    maps = [part[top // STRIDE :][:size, left // STRIDE :][:, :size] for part in maps]
    if draws.random() < 0.5:
        pixels, maps = pixels[:, ::-1], [part[:, ::-1] for part in maps]
    if draws.random() < 0.3:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    curve = (np.arange(256, dtype=np.float32) / 255) ** math.exp(draws.uniform(-0.6, 0.6))
    curve = (curve - 0.5) * draws.uniform(0.5, 1.15) + 0.5 + draws.uniform(-0.15, 0.15)
    light = curve.clip(0, 1)[pixels].transpose(2, 0, 1) - 0.5
    if draws.random() < 0.3:
        light = light + draws.normal(0, draws.uniform(0, 0.04), light.shape)
    return light.astype(np.float32), maps[0].copy(), maps[1].copy()


def loss_of(scores: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Focal loss a face: most places are easy."""
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
    sure = torch.where(wanted > 0, torch.sigmoid(scores), torch.sigmoid(-scores))
    each = weights * entropy * (1 - sure) ** 2 * torch.where(wanted > 0, 4.0, 1.0)
    return each.sum() / (wanted.sum() + 20)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600, help="of training")
    parser.add_argument("--faces", type=int, default=4000)
    parser.add_argument("--cache", type=Path, help="file that keeps what was read of the photographs")
    options = parser.parse_args()
    faces = [
        one for one in photographs(options.data, SETS[0], options.faces, options.cache) if not one.held_out
    ]
    pool = [scene(faces, seed) for seed in range(POOL)]
    network, draws, step = PlaceNetwork(), np.random.default_rng(0), 0
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-4)
    begin = time.monotonic()
    while (done := (time.monotonic() - begin) / options.seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        pool[step % POOL] = scene(faces, POOL + step)
        batch = [view(pool[int(i)], draws) for i in draws.integers(0, POOL, BATCH)]
        pictures, wanted, weights = (torch.from_numpy(np.stack(part)) for part in zip(*batch, strict=True))
        loss = loss_of(network(pictures), wanted, weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step}, {done:.0%}: loss {loss.item():.2f}", flush=True)
    ship(network, ASSET)


if __name__ == "__main__":
    main()
