"""A small model that words things differently: sentences about movements, some of which do not take place."""

import random
from functools import cache
from itertools import product
from typing import Final

import taught
import torch
from taught import LABELS, QUESTIONS

from expllm.core.conversations import Conversation, explanation_conversation
from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.model.bundle import Bundle
from expllm.model.model_inputs import preparer

SEEN: Final = ("The jaw drops.", "The brows rise.", "The lips pucker.", "The eyes close.", "The chin rises.")
MEANT: Final = ("The open jaw means {}.", "It means {}.", "The closed eyes mean {}.")
ENDING: Final = ("So it is {}.", "The pucker shows {}.")


def measured(**active: float) -> AUVector:
    """Everything is measured, and moves as little as not at all but for what is named (`jaw_drop=0.6`)."""
    return AUVector(dict.fromkeys(AUVector(), 0.0) | {k.replace("_", " "): v for k, v in active.items()})


AUS: Final = (
    measured(jaw_drop=0.6, chin_raise=0.4),
    measured(left_brow_raise=0.5, right_brow_raise=0.5),
    measured(lip_pucker=0.7),
    measured(),
    measured(left_eye_close=0.8, right_eye_close=0.8, jaw_drop=0.3),
    None,
    measured(jaw_drop=0.6, left_brow_raise=0.5, right_brow_raise=0.5, chin_raise=0.4, lip_pucker=0.5),
)
"""What is measured of seven faces: each refutes other sentences, and one, of which nothing is known, none."""


def texts(label: Expression) -> list[CoT]:
    """Every wording that the model learns for a label."""
    drawn = random.Random(label.value)
    pairs = [pair for pair in product(SEEN, SEEN) if pair[0] != pair[1]]
    return [
        CoT(
            key_observations=" ".join(drawn.choice(pairs)),
            overall_emotional_interpretation=meant.format(label.value),
            conclusion=ending.format(label.value),
        )
        for meant, ending in product(MEANT, ENDING)
    ]


def new() -> Bundle:
    """Taught anew: the same every time."""
    return taught.knowing(_taught())


@cache
def _taught() -> dict[str, torch.Tensor]:
    return taught.kept("varied", _learned)


def _learned() -> dict[str, torch.Tensor]:
    bundle = taught.untaught()
    prepared = preparer(bundle)
    drawn = random.Random(0)

    def three() -> list[taught.Batch]:
        talks = [(label, _talk(label, drawn.choice(texts(label)))) for label in drawn.sample(LABELS, 3)]
        encoded = [prepared.encoder.encode(talk) for _, talk in talks]
        return [prepared.batch(encoded, [prepared.pixels(taught.picture(label)) for label, _ in talks])]

    return taught.teach(bundle, 6e-3, three)


def _talk(label: Expression, text: CoT) -> Conversation:
    return explanation_conversation(text, label, LABELS, "explanation-first", QUESTIONS)
