"""Train the network that tells which parts of a face are covered (`expllm.faces.visibility`).

    python scripts/render_heads.py RENDERS --first 2000 --identities 200 --per-identity 3 --size 200
    python scripts/train_face_parts.py --data ../shared/data --renders RENDERS

Half of what it sees are portraits, FER+ faces and rendered heads as they are, as many the
same with something painted over (`covers.py`, or a piece of another photograph), a few textures and drawn
faces, of which nothing can be seen. Light from a side, small sizes, grey and noise are drawn anew each time.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import covers

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from crowds import BACKGROUNDS, drawn_face, wheel
from numpy.typing import NDArray
from photographs import SETS, Photograph, kept, photographs, renders
from PIL import Image, ImageFilter
from small_networks import PartNetwork, ship

from expllm.faces.finder import ENLARGED_SIDE
from expllm.faces.landmarks import Landmarker
from expllm.faces.visibility import FACE_PARTS_ASSET, PART_CROP_SIDE, THRESHOLD, VISIBLE_PARTS, upright
from expllm.files.weights import FACE_LANDMARKER, locate

OTHER_SIDE = [1, 0, 3, 2, 5, 4]
BATCH, RATE = 64, 2e-3
SHARES = 0.49, 0.49, 0.02
"""Of faces as they are, of covered ones, and of what is no face: few, as they teach to hide all."""

NO_FACES = 800


@dataclass(frozen=True, eq=False)
class Example:
    """What the network is shown [64, 64, 3], and how much of each part is hidden [6], 0-1."""

    face: NDArray[np.uint8]
    hidden: NDArray[np.float32]


def examples(faces: list[Photograph], each: int) -> tuple[list[Example], list[Example]]:
    """Faces as they are, and the same with something over them.

    Once the landmark model looks at the covered picture; `each` more times its landmarks are those of the
    whole face, a little aside, as a cover shifts them.
    """
    draws = random.Random(0)
    plain, over = [], []
    with closing(Landmarker(locate(FACE_LANDMARKER), 1)) as landmarker:
        for face in faces:
            plain.append(
                Example(upright(face.pixels, face.landmarks), np.zeros(len(VISIBLE_PARTS), np.float32))
            )
            for number in range(1 + each):
                pixels, hidden = paint(face, draws.choice(faces), draws)
                points = _aside(face.landmarks, draws) if number else _fitted(landmarker, pixels)
                if points is not None:
                    share = np.maximum(shares(hidden, face.landmarks), shares(hidden, points))
                    over.append(Example(upright(pixels, points), share))
    return plain, over


def _fitted(landmarker: Landmarker, pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """What the landmark model makes of a picture; small ones enlarged, as the face finder does."""
    zoom = max(1, math.ceil(ENLARGED_SIDE / max(pixels.shape[:2])))
    large = Image.fromarray(pixels).resize([zoom * length for length in pixels.shape[1::-1]])
    points = next((face.landmarks for face in landmarker.fit(np.asarray(large))), None)
    return None if points is None else points / np.float32(zoom)


def _aside(landmarks: NDArray[np.float32], draws: random.Random) -> NDArray[np.float32]:
    """The landmarks turned, scaled and moved a little."""
    middle, size = landmarks[:, :2].mean(axis=0), float(np.ptp(landmarks[:, 1]))
    turn, scale = draws.gauss(0, 0.05), 1 + draws.gauss(0, 0.04)
    turning = scale * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    moved = landmarks.copy()
    shift = np.array([draws.gauss(0, 0.03 * size), draws.gauss(0, 0.03 * size)])
    moved[:, :2] = (landmarks[:, :2] - middle) @ turning + middle + shift
    return moved


def no_faces(count: int) -> list[Example]:
    """Textures and drawn faces: of them, no part of a face can be seen."""
    found = []
    for seed in range(count):
        draws, generator = random.Random(seed), np.random.default_rng(seed)
        if seed % 2:
            image = drawn_face(draws)
        else:
            side = draws.randint(64, 400)
            texture = draws.choice((*BACKGROUNDS, wheel))((2 * side, 2 * side), generator)
            left, top = draws.randint(0, side), draws.randint(0, side)
            image = Image.fromarray(texture).crop((left, top, left + side, top + side))
        small = image.resize((PART_CROP_SIDE, PART_CROP_SIDE), Image.Resampling.BOX)
        found.append(Example(np.asarray(small), np.ones(len(VISIBLE_PARTS), np.float32)))
    return found


def paint(
    face: Photograph, other: Photograph, draws: random.Random
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Something over a face; one time in twelve a piece of another photograph in its place."""
    kind = draws.choice([*covers.KINDS, "half", "hand", "hand"])
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
        [hidden[y[list(points)], x[list(points)]].mean() for points in VISIBLE_PARTS.values()], np.float32
    )


def another_light(face: NDArray[np.uint8], draws: random.Random) -> NDArray[np.float32]:
    """The face smaller or blurred, darker or lighter, grey, lit from a side, noisy, a little aside."""
    image, way = Image.fromarray(face), draws.random()
    if way < 0.35:
        side = draws.randint(18, 48)
        image = image.resize((side, side), draws.choice((Image.Resampling.BOX, Image.Resampling.BICUBIC)))
        image = image.resize((PART_CROP_SIDE, PART_CROP_SIDE), Image.Resampling.BICUBIC)
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
        turn, at = draws.uniform(0, 2 * math.pi), np.linspace(-1, 1, PART_CROP_SIDE)
        slope = at[None, :] * math.cos(turn) + at[:, None] * math.sin(turn)
        light = light * (1 + draws.uniform(0.2, 0.75) * np.tanh(slope * draws.uniform(0.6, 4)))[..., None]
    if draws.random() < 0.3:
        noise = np.random.default_rng(draws.randint(0, 2**31)).normal(0, draws.uniform(0, 0.05), light.shape)
        light = light + noise
    moved = np.roll(light, (draws.randint(-2, 2), draws.randint(-2, 2)), (0, 1))
    centred: NDArray[np.float32] = (moved.clip(0, 1) - 0.5).astype(np.float32)
    return centred


def batch_of(sets: Sequence[list[Example]], draws: random.Random) -> tuple[torch.Tensor, ...]:
    """Pictures [N, 3, 64, 64], targets and weights [N, 6]; a part that is hidden in part has weight 0."""
    pictures, hidden = [], []
    for one in (draws.choice(some) for some in draws.choices(sets, SHARES, k=BATCH)):
        picture, share = another_light(one.face, draws), one.hidden
        if draws.random() < 0.5:
            picture, share = picture[:, ::-1], share[OTHER_SIDE]
        pictures.append(picture.transpose(2, 0, 1))
        hidden.append(share)
    share = np.stack(hidden)
    clear = (share > 0.6) | (share < 0.12)
    arrays = np.stack(pictures), (share > 0.5).astype(np.float32), clear.astype(np.float32)
    return tuple(torch.from_numpy(array) for array in arrays)


def report(network: PartNetwork, plain: list[Example], over: list[Example]) -> str:
    """Of people held out: uncovered faces called covered, and covered ones of which nothing is missed."""
    false = np.mean(_scores(network, plain).max(axis=1) > THRESHOLD)
    hidden = np.stack([one.hidden for one in over]) > 0.6
    known = hidden.any(axis=1)
    noticed = np.mean(np.all((_scores(network, over) > THRESHOLD) | ~hidden, axis=1)[known])
    return f"held out: {false:.1%} of {len(plain)} called covered, {noticed:.1%} of {known.sum()} noticed"


def _scores(network: PartNetwork, faces: list[Example]) -> NDArray[np.float32]:
    """Log odds [N, 6], mean of a face and its mirror image."""
    pictures = torch.from_numpy(np.stack([one.face for one in faces]).astype(np.float32) / 255 - 0.5)
    pictures = pictures.permute(0, 3, 1, 2)
    with torch.no_grad():
        both = network.eval()(pictures) + network(pictures.flip(3))[:, OTHER_SIDE]
    network.train()
    scores: NDArray[np.float32] = both.numpy() / 2
    return scores


def train(sets: Sequence[list[Example]], held_out: Sequence[list[Example]], seconds: float) -> PartNetwork:
    """The network after so many seconds of processor time."""
    network, draws, step = PartNetwork(), random.Random(0), 0
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-3)
    begin = time.process_time()
    while (done := (time.process_time() - begin) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        pictures, wanted, weights = batch_of(sets, draws)
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            network(pictures), wanted, reduction="none"
        )
        loss = (each * weights).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        if step % 250 == 0:
            print(
                f"step {step}, {done:.0%}: loss {loss.item():.3f}; {report(network, *held_out)}", flush=True
            )
    return network


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--renders", type=Path, required=True, help="folder of scripts/render_heads.py")
    parser.add_argument("--seconds", type=float, default=300, help="of training, processor time")
    parser.add_argument(
        "--cache", type=Path, help="folder that keeps what was read of the pictures, and the covered ones"
    )
    parser.add_argument("--faces", type=int, nargs=2, default=(4000, 1200), help="portraits, FER+ train")
    options = parser.parse_args()
    faces = renders(options.renders, options.cache)
    for pattern, count in zip(SETS, options.faces, strict=True):
        faces += photographs(options.data, pattern, count, options.cache)
    apart = [one for one in faces if one.held_out]
    held_out = kept(lambda: examples(apart, each=0), options.cache, f"held-out-{len(apart)}")
    own = [one for one in faces if not one.held_out]
    sets = *kept(lambda: examples(own, each=2), options.cache, f"covered-{len(own)}"), no_faces(NO_FACES)
    print([len(some) for some in (*sets, *held_out)], flush=True)
    network = train(sets, held_out, options.seconds)
    print(found := report(network, *held_out))
    ship(network, FACE_PARTS_ASSET, ["renders", *SETS], found)


if __name__ == "__main__":
    main()
