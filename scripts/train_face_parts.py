"""Train the network that tells which parts of a face are covered (`expllm.visibility`).

    python scripts/train_face_parts.py --data ../shared/data --seconds 900

Half of what it sees are portraits and FER+ faces as they are, half the same with something painted over
(`covers.py`, or a piece of another photograph). What the landmark model makes of the covered picture decides
where the network looks, as in use. Light from a side, small sizes, grey and noise are drawn anew each time.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import covers

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from numpy.typing import NDArray
from photographs import SETS, Photograph, photographs
from PIL import Image, ImageFilter
from small_networks import PartNetwork, ship

from expllm.facefinder import FaceFinder
from expllm.images import open_image
from expllm.visibility import ASSET, PARTS, SIDE, upright

OTHER_SIDE = [1, 0, 3, 2, 5, 4]
BATCH = 64


@dataclass(frozen=True, eq=False)
class Example:
    """What the network is shown [64, 64, 3], and how much of each part is hidden [6], 0-1."""

    face: NDArray[np.uint8]
    hidden: NDArray[np.float32]


def examples(faces: list[Photograph], each: int) -> tuple[list[Example], list[Example]]:
    """Faces as they are, and the same with something over them, `each` times where landmarks still fit."""
    draws = random.Random(0)
    plain, over = [], []
    with FaceFinder() as finder:
        for face in faces:
            plain.append(Example(upright(face.pixels, face.landmarks), np.zeros(len(PARTS), np.float32)))
            for _ in range(each):
                pixels, hidden = paint(face, draws.choice(faces), draws)
                fits = [one.landmarks for one in finder.find(open_image(pixels)) if one.landmarks is not None]
                if fits:
                    share = np.maximum(shares(hidden, face.landmarks), shares(hidden, fits[0]))
                    over.append(Example(upright(pixels, fits[0]), share))
    return plain, over


def paint(
    face: Photograph, other: Photograph, draws: random.Random
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Something over a face; one time in twelve a piece of another photograph in its place."""
    kind = draws.choice(list(covers.KINDS))
    pixels, hidden = covers.covered(covers.Face(face.pixels, face.landmarks), kind, draws)
    if draws.random() < 1 / 12:
        height, width = hidden.shape
        image = Image.fromarray(other.pixels)
        scale = draws.uniform(1, 3) * max(width / image.width, height / image.height)
        large = image.resize([math.ceil(scale * length) for length in image.size], Image.Resampling.BICUBIC)
        left, top = draws.randint(0, large.width - width), draws.randint(0, large.height - height)
        piece = np.asarray(large.crop((left, top, left + width, top + height)))
        pixels = np.where(hidden[..., None], piece, face.pixels)
    return np.ascontiguousarray(pixels), hidden


def shares(hidden: NDArray[np.bool_], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each part is hidden, 0-1, by its landmarks."""
    height, width = hidden.shape
    x, y = (
        landmarks[:, i].round().astype(int).clip(0, length - 1) for i, length in ((0, width), (1, height))
    )
    return np.array(
        [hidden[y[list(points)], x[list(points)]].mean() for points in PARTS.values()], np.float32
    )


def another_light(face: NDArray[np.uint8], draws: random.Random) -> NDArray[np.float32]:
    """The face smaller or blurred, darker or lighter, grey, lit from a side, noisy, a little aside."""
    image, way = Image.fromarray(face), draws.random()
    if way < 0.35:
        side = draws.randint(18, 48)
        image = image.resize((side, side), draws.choice((Image.Resampling.BOX, Image.Resampling.BICUBIC)))
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    elif way < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(draws.uniform(0.3, 1.2)))
    curve = (np.arange(256, dtype=np.float32) / 255) ** math.exp(draws.uniform(-0.5, 0.5))
    curve = (curve - 0.5) * draws.uniform(0.6, 1.15) + 0.5 + draws.uniform(-0.12, 0.12)
    light = curve.clip(0, 1)[np.asarray(image)]
    if draws.random() < 0.3:
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2)
    elif draws.random() < 0.3:
        light = light * np.array([draws.uniform(0.85, 1.15) for _ in range(3)], np.float32)
    if draws.random() < 0.35:
        turn, at = draws.uniform(0, 2 * math.pi), np.linspace(-1, 1, SIDE)
        slope = at[None, :] * math.cos(turn) + at[:, None] * math.sin(turn)
        light = light * (1 + draws.uniform(0.2, 0.75) * np.tanh(slope * draws.uniform(0.6, 4)))[..., None]
    if draws.random() < 0.3:
        noise = np.random.default_rng(draws.randint(0, 2**31)).normal(0, draws.uniform(0, 0.05), light.shape)
        light = light + noise
    moved = np.roll(light, (draws.randint(-2, 2), draws.randint(-2, 2)), (0, 1))
    centred: NDArray[np.float32] = (moved.clip(0, 1) - 0.5).astype(np.float32)
    return centred


def batch_of(plain: list[Example], over: list[Example], draws: random.Random) -> tuple[torch.Tensor, ...]:
    """Pictures [N, 3, 64, 64], targets and weights [N, 6]; a part that is hidden in part has weight 0."""
    pictures, hidden = [], []
    for _ in range(BATCH):
        one = draws.choice(plain if draws.random() < 0.5 else over)
        picture, share = another_light(one.face, draws), one.hidden
        if draws.random() < 0.5:
            picture, share = picture[:, ::-1], share[OTHER_SIDE]
        pictures.append(picture.transpose(2, 0, 1))
        hidden.append(share)
    share = np.stack(hidden)
    clear = (share > 0.6) | (share < 0.12)
    arrays = np.stack(pictures), (share > 0.5).astype(np.float32), clear.astype(np.float32)
    return tuple(torch.from_numpy(array) for array in arrays)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=900, help="of training")
    parser.add_argument(
        "--faces", type=int, nargs=2, default=(3900, 1800), help="portraits, faces of FER+ train"
    )
    options = parser.parse_args()
    faces = []
    for pattern, count in zip(SETS, options.faces, strict=True):
        faces += [one for one in photographs(options.data, pattern, count) if not one.held_out]
    plain, over = examples(faces, each=2)
    print(f"{len(plain)} faces as they are, {len(over)} with something over them", flush=True)
    network, draws, step = PartNetwork(), random.Random(0), 0
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-3)
    begin = time.monotonic()
    while (done := (time.monotonic() - begin) / options.seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        pictures, wanted, weights = batch_of(plain, over, draws)
        scores = network(pictures)
        each = torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        loss = (each * weights).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step}, {done:.0%}: loss {loss.item():.3f}", flush=True)
    ship(network, ASSET)


if __name__ == "__main__":
    main()
