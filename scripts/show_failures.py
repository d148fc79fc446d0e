"""Draws rendered faces that the model that ships takes for another expression, for its card.

    python scripts/show_failures.py -o docs/compact_failures.jpg

The heads of examples/faces are generated (MakeHuman), so that no real person is shown. Their file names say
which expression was rendered. Standard output has a line for each head, those that are right too.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from expllm.core.vocabulary import Expression
from expllm.predict.predictor import Predictor
from expllm.report.panel import font

FACES: Final = Path(__file__).parents[1] / "examples" / "faces"
SIDE: Final = 200
ACROSS: Final = 6
CAPTION: Final = 44
"""Pixels of a face, faces in a row, and pixels of the two lines under each."""


@dataclass(frozen=True)
class Head:
    """A rendered head and what the model answered."""

    path: Path
    rendered: Expression
    answered: Expression | None
    probability: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", default="compact")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    heads = _asked(options.model)
    for head in heads:
        said = head.answered or "no face"
        print(f"{head.path.name}: rendered {head.rendered}, answered {said} ({head.probability:.0%})")
    wrong = [head for head in heads if head.answered is not head.rendered]
    print(f"{len(wrong)} of {len(heads)} are answered otherwise than rendered")
    _drawn(wrong).save(options.output, quality=88)


def _asked(model: str) -> list[Head]:
    """All heads whose names are an expression, and a number at most."""
    heads = []
    with Predictor.load(model) as predictor:
        for path in sorted(FACES.glob("render_*.jpg")):
            name, *more = path.stem.removeprefix("render_").split("_")
            if name in {label.value for label in Expression} and all(part.isdecimal() for part in more):
                (face, *_) = predictor.predict([path])[0]
                share = (face.probabilities or {}).get(face.expression, 0.0) if face.expression else 0.0
                heads.append(Head(path, Expression(name), face.expression, share))
    return heads


def _drawn(heads: list[Head]) -> Image.Image:
    down = -(-len(heads) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * SIDE, down * (SIDE + CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, head in enumerate(heads):
        left, top = place % ACROSS * SIDE, place // ACROSS * (SIDE + CAPTION)
        with Image.open(head.path) as picture:
            sheet.paste(picture.convert("RGB").resize((SIDE - 4, SIDE - 4)), (left + 2, top + 2))
        said = f"{head.answered}, {head.probability:.0%}" if head.answered else "no face found"
        draw.text((left + 4, top + SIDE), f"rendered: {head.rendered}", "black", font(15))
        draw.text((left + 4, top + SIDE + 20), f"answered: {said}", "#a01c1c", font(15))
    return sheet


if __name__ == "__main__":
    main()
