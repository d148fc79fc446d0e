"""A small model that has learned something: the labels of seven colours, and why for two of them."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

import torch
from PIL import Image

from expllm.core.conversations import Order, Questions, explanation_conversation, label_conversation
from expllm.core.records import CoT
from expllm.core.vocabulary import Expression, label_set
from expllm.files.atomic import whole_file
from expllm.files.weights import cache_folder
from expllm.model.bundle import Bundle, new_bundle
from expllm.model.model_inputs import preparer
from expllm.model.presets import preset
from expllm.model.vlm import supervised_losses, train_only

torch.set_num_threads(1)
COLOURS = ("red", "green", "blue", "yellow", "black", "white", "purple")
LABELS = label_set(7)
QUESTIONS = Questions(label="Which: {labels}?", explanation="Why?")
ORDERS: Final[tuple[Order, ...]] = ("explanation-first", "label-first")
STEPS = 60


def picture(label: Expression) -> Image.Image:
    return Image.new("RGB", (28, 28), COLOURS[LABELS.index(label)])


def between(one: Expression, other: Expression, share: float) -> Image.Image:
    """A mixture of two pictures, of which the model can be unsure."""
    return Image.blend(picture(one), picture(other), share)


def explanation(label: Expression) -> CoT:
    more = " The lid is raised." if label is LABELS[0] else ""  # of different lengths
    return CoT(
        key_observations=f"It shows na\u00efve \U0001f642.{more}",
        overall_emotional_interpretation=f"It means {label.value}.",
        conclusion=f"Both say {label.value}.",
    )


def new() -> Bundle:
    """Taught anew: the same every time."""
    return knowing(_taught())


def knowing(state: dict[str, torch.Tensor]) -> Bundle:
    """The small model with the weights of one that has learned."""
    bundle = untaught()
    bundle.model.load_state_dict(state)
    bundle.model.eval()
    return bundle


def untaught() -> Bundle:
    bundle = new_bundle(preset("tiny"), LABELS, seed=4)
    bundle.questions = QUESTIONS
    return bundle


Batch = dict[str, Any]


def teach(bundle: Bundle, rate: float, batches: Callable[[], Iterable[Batch]]) -> dict[str, torch.Tensor]:
    """Everything of a model learns for `STEPS` steps, each from what `batches` gives; its weights."""
    bundle.model.eval()  # dropout would draw from what other tests have drawn from
    train_only(bundle.model, ("projector", "language_lora", "tower_lora", "tower", "language"))
    learned = [parameter for parameter in bundle.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=STEPS)
    for _ in range(STEPS):
        for batch in batches():
            inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
            losses = supervised_losses(bundle.model, inputs, batch["labels"])
            (losses.total / losses.tokens).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return {name: tensor.detach() for name, tensor in bundle.model.state_dict().items()}


def kept(name: str, make: Callable[[], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """What `make` teaches: by the first process of a test run that asks, for all of them."""
    path = cache_folder() / f"{name}.pt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, "wb") as file:
            torch.save(make(), file)
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return found


@cache
def _taught() -> dict[str, torch.Tensor]:
    return kept("taught", _learned)


def _learned() -> dict[str, torch.Tensor]:
    bundle = untaught()
    prepared = preparer(bundle)
    short = [(label, label_conversation(label, LABELS, QUESTIONS)) for label in LABELS]
    long = [
        (label, explanation_conversation(explanation(label), label, LABELS, order, QUESTIONS))
        for label in LABELS[:2]
        for order in ORDERS
    ]
    batches = []
    for talks in (short, long):
        texts = [prepared.encoder.encode(talk) for _, talk in talks]
        batches.append(prepared.batch(texts, [prepared.pixels(picture(label)) for label, _ in talks]))
    return teach(bundle, 8e-3, lambda: batches)
