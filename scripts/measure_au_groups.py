"""Who is measured worse: the same movements on rendered heads that differ in one thing alone.

    pip install -e '.[calibrate]'
    python scripts/measure_au_groups.py --renders RENDERS --json groups.json

Each head is rendered in pairs, in one pose and one light: pale and dark skin, young and old, woman and man,
slim and round, and with features of three ancestries as MakeHuman models them. What is read of one of a pair
less what is read of the other is the figure, its mean over heads with a 95 % interval (bootstrap over heads).
Renders are not people: they have neither wrinkles nor beards nor make-up, and a group of people is no slider.
What differs here may differ between people, too; what does not may differ all the same.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
from doc_cards import group_cell
from numpy.typing import NDArray

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, AUSource, Expression
from expllm.faces.au_classifier import classifier_for
from expllm.faces.finder import FaceFinder
from expllm.faces.pixel_reader import UnitReader
from expllm.files.images import open_image
from expllm.files.progress import Progress

Array = NDArray[np.float64]
MOVEMENTS: Final = ("neutral", "happiness", "surprise", "anger", "sadness", "disgust")
SIZE: Final = 224
BASE: Final[dict[str, float]] = {
    "age": 0.62, "gender": 0.5, "weight": 0.45, "african": 0.33, "asian": 0.33, "caucasian": 0.34,
}  # fmt: skip
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "pale skin": {"skin": (0.64, 0.46, 0.37)}, "dark skin": {"skin": (0.24, 0.13, 0.09)},
    "young": {"age": 0.62}, "old": {"age": 0.97}, "woman": {"gender": 0.05}, "man": {"gender": 0.95},
    "slim": {"weight": 0.2}, "round": {"weight": 0.85},
    "African features": {"african": 1.0, "asian": 0.0, "caucasian": 0.0},
    "Asian features": {"african": 0.0, "asian": 1.0, "caucasian": 0.0},
    "European features": {"african": 0.0, "asian": 0.0, "caucasian": 1.0},
}  # fmt: skip
"""What is changed of a head whose skin is in between; ages are MakeHuman's: 2/3 is a young adult, 1 old."""
PAIRS: Final = (
    ("dark skin", "pale skin"), ("old", "young"), ("woman", "man"), ("round", "slim"),
    ("African features", "European features"), ("Asian features", "European features"),
)  # fmt: skip
MEDIUM: Final = (0.50, 0.32, 0.22)
DRAWS: Final = 2000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--renders", type=Path, required=True, help="where renders are kept")
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--au-source", type=AUSource, default=AUSource.BOTH)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    render(options.renders, options.heads)
    read = measure(options.renders, options.heads, options.au_source)
    figures = {f"{one} - {other}": compared(read, one, other) for one, other in PAIRS}
    show(figures, options.heads)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def pictures(folder: Path, heads: int) -> Iterator[tuple[int, str, str, Path]]:
    """Head, variant, movement, and the file of each render."""
    for head in range(heads):
        for variant in VARIANTS:
            for movement in MOVEMENTS:
                yield (
                    head,
                    variant,
                    movement,
                    folder / f"{head:02}_{variant.replace(' ', '-')}_{movement}.png",
                )


def render(folder: Path, count: int) -> None:
    """Renders what is missing."""
    missing = [one for one in pictures(folder, count) if not one[-1].exists()]
    if not missing:
        return
    from head_renderer import Look, load_head
    from head_renderer import render as rendered
    from render_heads import EXAMPLE_FACES, draw_identity, spread, weight_vector

    folder.mkdir(parents=True, exist_ok=True)
    head = load_head()
    with Progress(len(missing), doing="rendering", things="renders") as progress:
        for number, variant, movement, path in missing:
            change = VARIANTS[variant]
            body = {**BASE, **{name: value for name, value in change.items() if name != "skin"}}
            look = Look.draw(np.random.default_rng([41, number]), np.random.default_rng([42, number]))
            turned = {name: 0.4 * getattr(look, name) for name in ("yaw", "pitch", "roll")}
            look = replace(look, skin=np.array(change.get("skin", MEDIUM)), **turned)
            weights = weight_vector(head.names, spread(EXAMPLE_FACES[movement]))
            neutral = draw_identity(head, np.random.default_rng([40, number]), **body)
            rendered(head, neutral + np.tensordot(weights, head.actions, 1), look, SIZE).save(path)
            progress.step(0)


def measure(folder: Path, heads: int, source: AUSource) -> dict[str, Array]:
    """Of each variant: the units and the probabilities of [heads, movements, 31 + 8], NaN if not measured."""
    reader, labels = UnitReader(source), len(Expression)
    read = {name: np.full((heads, len(MOVEMENTS), len(AU_NAMES) + labels), np.nan) for name in VARIANTS}
    with FaceFinder() as finder:
        for head, variant, movement, path in pictures(folder, heads):
            picture = open_image(path)
            faces = finder.find(picture)
            (aus,) = reader.read(picture, faces[:1]) or [None]
            if aus is not None:
                shares = classifier_for(aus).probabilities(aus) or {}
                row = [*aus.to_array(), *(shares.get(label, np.nan) for label in Expression)]
                read[variant][head, MOVEMENTS.index(movement)] = row
    return read


def compared(read: dict[str, Array], one: str, other: str) -> dict[str, dict[str, Any]]:
    """Of each action, and of the probability of the movement's own label: mean difference and interval."""
    first, second = (by_action(read[name]) for name in (one, other))
    return {name: interval((first[name] - second[name]).mean(axis=1)) for name in first} | {
        "not measured": {
            "mean": float(np.isnan(read[one][..., 0]).mean() - np.isnan(read[other][..., 0]).mean())
        }
    }


def by_action(read: Array) -> dict[str, Array]:
    """[heads, movements] of each action (the mean of its sides), and of the label that was rendered."""
    found = {}
    for action in dict.fromkeys(au.action for au in ACTION_UNITS):
        units = [place for place, au in enumerate(ACTION_UNITS) if au.action == action]
        values = read[..., units].mean(axis=-1)
        if not np.isnan(values).all():
            found[action] = values
    own = [len(AU_NAMES) + [*Expression].index(Expression(movement)) for movement in MOVEMENTS]
    right = np.stack([read[:, place, column] for place, column in enumerate(own)], axis=1)
    best = read[..., len(AU_NAMES) :]
    hit = np.where(np.isnan(right), np.nan, right >= np.nan_to_num(best).max(axis=-1))
    return {**found, "probability of the rendered label": right, "label as rendered (share)": hit}


def interval(differences: Array) -> dict[str, float]:
    """Mean over heads and its 95 % interval; heads that were not measured are left out."""
    known = differences[~np.isnan(differences)]
    if len(known) < 3:
        return {"heads": len(known)}
    drawn = np.random.default_rng(0).choice(known, (DRAWS, len(known))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    rounded = {"mean": known.mean(), "low": low, "high": high}
    return {"heads": len(known), **{name: round(float(value), 3) for name, value in rounded.items()}}


def show(figures: dict[str, dict[str, dict[str, Any]]], heads: int) -> None:
    """A Markdown table: rows are actions, columns pairs; bold where the interval leaves out 0."""
    print(f"{heads} heads, {', '.join(MOVEMENTS)}; difference of the readings (0-1), mean over movements\n")
    print(f"| | {' | '.join(figures)} |\n|{' --- |' * (len(figures) + 1)}")
    for name in dict.fromkeys(name for found in figures.values() for name in found):
        print(f"| {name} | {' | '.join(group_cell(found.get(name, {})) for found in figures.values())} |")


if __name__ == "__main__":
    main()
