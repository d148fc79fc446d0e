"""Faces as they are asked about when texts are sampled: picture, question, and what is drawn for them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from expllm.core.conversations import explanation_question, explanation_text, label_question
from expllm.core.errors import ExpllmError, ImageError, MissingData
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.data.augment import Augmentation
from expllm.model.inference.audited_decoding import Ids
from expllm.model.inference.generate import behind
from expllm.model.inference.label_scoring import TokenTree, token_tree
from expllm.model.model_inputs import Preparer
from expllm.model.tokenize import label_tokens
from expllm.train.dataloader import Key
from expllm.train.recipe import StageConfig
from expllm.train.training_sets import UNAUGMENTED, FaceTrainingSet, sample_draws


@dataclass(frozen=True)
class MeasuredTrainingSet(FaceTrainingSet):
    """Faces of each of which something was measured: texts about all of them can be judged."""

    @property
    def explained(self) -> list[bool]:
        """All of them are written about, also those without a text of their own."""
        return [True] * len(self)


def measured_faces(reading: FaceTrainingSet) -> MeasuredTrainingSet:
    """The faces of which anything was measured: of the others no text can be judged.

    Raises:
        MissingData: there are none.
    """
    known = tuple(face for face in reading.faces if face.aus is not None and face.aus.measured)
    if not known:
        raise MissingData(
            f"none of {len(reading.faces):,} faces has measured action units, which texts are rewarded by: "
            "set data.texts to a run of 'expllm cot make' about them"
        )
    kept = {face.id for face in known}
    unknown = [(face.id, "no measured action units") for face in reading.faces if face.id not in kept]
    values = {one.name: getattr(reading, one.name) for one in fields(reading)}
    return MeasuredTrainingSet(**{**values, "faces": known, "left_out": (*reading.left_out, *unknown)})


def by_faces(stage: StageConfig) -> StageConfig:
    """The same stage with batches of faces, not of texts: what the order of faces is made from."""
    many = stage.num_generations
    return replace(
        stage, batch=stage.batch // many, micro_batch=max(1, stage.micro_batch // many), task="instruct",
        label=0.0, explanation=1.0,
    )  # fmt: skip


@dataclass(frozen=True)
class FacePrompts(Dataset[dict[str, Tensor]]):
    """Faces by key, each made from (seed, epoch, index) alone: pictures and what is drawn beside them."""

    reading: FaceTrainingSet
    preparer: Preparer
    augmentation: Augmentation | None
    seed: int

    def __len__(self) -> int:
        return len(self.reading)

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, Tensor] | ExpllmError:
        """Pictures [faces, ...] by the names of the model's inputs, and by face: `indices`, `places`,
        `flips`, `hints`, `label_firsts`; what stands in the way of one comes in its place."""
        try:
            return self._faces(keys)
        except ExpllmError as error:
            return error

    def _faces(self, keys: Sequence[Key]) -> dict[str, Tensor]:
        pixels, rows = [], []
        for epoch, draw in keys:
            place = draw.index + draw.repeat * len(self.reading)
            change = self.augmentation.draw(self.seed, epoch, place) if self.augmentation else UNAUGMENTED
            chance = sample_draws(self.seed, epoch, place)
            name = self.reading.name(draw.index)
            try:
                pixels.append(self.preparer.pixels(self.reading.image(draw.index), change))
            except ImageError as error:
                raise ImageError(f"{name}: {error}: repair it, or remove it from the data set") from None
            first = chance.order >= 1 - self.reading.label_first
            rows.append((draw.index, place, change.flip, chance.hint >= self.reading.unhinted, first))
        found: dict[str, Any] = {name: np.stack([one[name] for one in pixels]) for name in pixels[0]}
        tensors = {name: torch.from_numpy(array) for name, array in found.items()}
        names = ("indices", "places", "flips", "hints", "label_firsts")
        columns = torch.tensor([[int(value) for value in row] for row in rows]).T
        return tensors | dict(zip(names, columns, strict=True))


@dataclass(frozen=True)
class Prompt:
    """What is asked about a face before a text is sampled.

    Attributes:
        ids: Up to where the model begins to write its explanation.
        alone: The same without a label's round before it.
        answered: Places in `ids` of a label that the model has answered and learns to answer; none without.
        answer: That label.
    """

    ids: Ids
    alone: Ids
    answered: tuple[int, ...] = ()
    answer: Expression | None = None


class Asking:
    """The questions of a model in its own ids."""

    def __init__(self, preparer: Preparer, reading: FaceTrainingSet) -> None:
        self._encoder, self._questions, self.labels = preparer.encoder, reading.questions, reading.labels
        words = [label_tokens(self._encoder, label) for label in self.labels]
        self.words = dict(zip(self.labels, words, strict=True))
        self.tree: TokenTree = token_tree(words)
        self.end = words[0][-1]
        asked = label_question(self.labels, self._questions)
        self.label = self._encoder.prompt(asked)
        explained = explanation_question(self._questions).answered("-")
        again = self._encoder.prompt(explained.asked(asked.turns[0].text))
        self._again = [self.end, *behind(self._encoder.encode(explained).learned, again)]

    def prompt(self, aus: AUVector | None, answer: Expression | None = None) -> Prompt:
        """The question for an explanation, behind that for the label if the model has answered it.

        Args:
            aus: What is told of the face; None: nothing.
        """
        alone = self._encoder.prompt(explanation_question(self._questions, aus))
        if answer is None:
            return Prompt(alone, alone)
        round_ = label_question(self.labels, self._questions).answered(answer.value)
        ids = self._encoder.prompt(round_.asked(explanation_text(self._questions, aus)))
        start, word = len(self.label), self.words[answer]
        assert ids[:start] == self.label
        assert ids[start : start + len(word)] == word
        return Prompt(ids, alone, tuple(range(start, start + len(word))), answer)

    def longest(self) -> int:
        """Ids around the longest text: the label's round, all units told, the label asked behind it."""
        units = AUVector(dict.fromkeys(AU_NAMES, 1.0))
        prompts = [len(self.prompt(units, label).ids) for label in self.labels]
        return max(prompts) + len(self._again) + max(map(len, self.words.values()))

    def behind_text(self, prompt: Prompt, text: Ids) -> Ids:
        """The question for the label behind an explanation: it sees no label that was answered before."""
        return [*prompt.alone, *text, *self._again]
