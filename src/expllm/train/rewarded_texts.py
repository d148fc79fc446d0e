"""Texts of a model in training about some faces, with the rewards that they earn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from expllm.core.vocabulary import AUVector, Expression
from expllm.model.inference.audited_decoding import Ids
from expllm.model.inference.backend import answer_text
from expllm.rewards import part_rewards, weighted
from expllm.train.face_prompts import Asking, Prompt
from expllm.train.grpo_settings import GrpoSettings
from expllm.train.rollouts import Rollout, Sampler, uniforms
from expllm.train.training_sets import FaceTrainingSet, TrainingFace


@dataclass(eq=False)
class RewardedText:
    """One text about a face.

    Attributes:
        face: What is known of the face; of a mirrored picture its action units are mirrored.
        picture: Its number among the pictures of the batch.
        prompt: What was asked.
        ids: What was written, with the end of the turn if it ended.
        text: The same in words.
        cut: It had not ended when it had as many tokens as it may have.
        label_shares: Probability of each label behind the text.
        rewards: By name, 0-1 or None.
        reward: All of them as one, 0-1.
    """

    face: TrainingFace
    aus: AUVector
    picture: int
    prompt: Prompt
    ids: Ids
    text: str
    cut: bool
    label_shares: dict[str, float] = field(default_factory=dict)
    rewards: dict[str, float | None] = field(default_factory=dict)
    reward: float = 0.0

    @property
    def label(self) -> str:
        """The label that is likeliest behind the text."""
        return max(self.label_shares, key=lambda name: self.label_shares[name])


class RewardedTextWriter:
    """Samples texts about faces with the weights of now, and rewards them.

    Args:
        sampler: Of the model in training.
        asking: Its questions.
        reading: The faces, by number.
        tokenizer: Of the model.
        settings: Of the stage.
        rows: Most texts that are computed at once.
    """

    def __init__(
        self, sampler: Sampler, asking: Asking, reading: FaceTrainingSet, tokenizer: Any,
        settings: GrpoSettings, rows: int,
    ) -> None:  # fmt: skip
        self._sampler, self._asking, self._reading = sampler, asking, reading
        self._tokenizer, self._settings, self._rows = tokenizer, settings, rows

    def texts(
        self, batch: Mapping[str, Tensor], count: int, temperature: float, *key: object
    ) -> list[RewardedText]:
        """`count` texts about each face of a batch, those of a face side by side.

        Args:
            batch: Of `FacePrompts`, on the device.
            temperature: 0 writes the likeliest token each time.
            key: What is drawn follows from it, the place of the face, and the number of the text.
        """
        drawn = {place: _numbers(self._settings, count, *key, place) for place in batch["places"].tolist()}
        prompts = self._prompts(batch, drawn, count, temperature)
        rollouts = [
            Rollout(picture, prompt.ids, drawn[batch["places"][picture].item()][number, 1:])
            for picture, number, prompt in prompts
        ]
        for start in range(0, len(rollouts), self._rows):
            self._sampler.write(
                rollouts[start : start + self._rows], batch["pixel_values"], self._asking.end, temperature
            )
        found = [
            self._text(batch, prompt, rollout)
            for (_, _, prompt), rollout in zip(prompts, rollouts, strict=True)
        ]
        self._reward(found, batch["pixel_values"])
        return found

    def _prompts(
        self, batch: Mapping[str, Tensor], drawn: Mapping[int, Any], count: int, temperature: float
    ) -> list[tuple[int, int, Prompt]]:
        """(picture, number of the text, prompt) of every text; of label first, with a label that is drawn."""
        found = []
        first = [i for i, one in enumerate(batch["label_firsts"].tolist()) if one]
        logs = dict(
            zip(first, self._label_logs([self._asking.label] * len(first), first, batch), strict=True)
        )
        for picture, place in enumerate(batch["places"].tolist()):
            aus = self._aus(batch, picture) if batch["hints"][picture] else None
            for number in range(count):
                answer = None
                if picture in logs:
                    answer = self._drawn(logs[picture], drawn[place][number, 0], temperature)
                found.append((picture, number, self._asking.prompt(aus, answer)))
        return found

    def _drawn(self, logs: Tensor, number: float, temperature: float) -> Expression:
        """A label by its probability."""
        if temperature == 0:
            return self._asking.labels[int(logs.argmax())]
        shares = (logs / temperature).softmax(-1).cumsum(-1).numpy()
        place = int(np.searchsorted(shares, number * shares[-1], side="right"))
        return self._asking.labels[min(place, len(shares) - 1)]

    def _aus(self, batch: Mapping[str, Tensor], picture: int) -> AUVector:
        aus = self._reading.faces[int(batch["indices"][picture])].aus
        assert aus is not None
        return aus.mirrored() if batch["flips"][picture] else aus

    def _text(self, batch: Mapping[str, Tensor], prompt: Prompt, rollout: Rollout) -> RewardedText:
        picture = rollout.picture
        face = self._reading.faces[int(batch["indices"][picture])]
        ended = rollout.ids[-1] == self._asking.end
        words = answer_text(self._tokenizer, rollout.ids[:-1] if ended else rollout.ids)
        return RewardedText(face, self._aus(batch, picture), picture, prompt, rollout.ids, words, not ended)

    def _label_logs(
        self, prompts: Sequence[Ids], pictures: Sequence[int], batch: Mapping[str, Tensor]
    ) -> list[Tensor]:
        """[labels] log-probabilities behind each prompt."""
        found: list[Tensor] = []
        for start in range(0, len(prompts), self._rows):
            part = slice(start, start + self._rows)
            pixels = batch["pixel_values"][[*pictures[part]]]
            found += self._sampler.label_logs(prompts[part], pixels, self._asking.tree)
        return found

    def _reward(self, texts: Sequence[RewardedText], pixels: Tensor) -> None:
        ended = [one.ids[:-1] if not one.cut else one.ids for one in texts]
        prompts = [self._asking.behind_text(one.prompt, ids) for one, ids in zip(texts, ended, strict=True)]
        logs = self._label_logs(prompts, [one.picture for one in texts], {"pixel_values": pixels})
        for one, row in zip(texts, logs, strict=True):
            shares = row.exp().tolist()
            one.label_shares = {
                label.value: share for label, share in zip(self._asking.labels, shares, strict=True)
            }
        parts = rewards_of(texts, [one.aus for one in texts])
        whole = weighted(parts, self._settings.weights)
        for number, one in enumerate(texts):
            one.rewards = {name: values[number] for name, values in parts.items()}
            one.reward = whole[number]


def rewards_of(
    texts: Sequence[RewardedText], aus: Sequence[AUVector | None]
) -> dict[str, list[float | None]]:
    """Every reward of the texts by some action units, by its name."""
    return part_rewards(
        [one.text for one in texts],
        aus=aus,
        label=[one.face.label.value for one in texts],
        label_probabilities=[one.label_shares for one in texts],
        answer=[one.prompt.answer and one.prompt.answer.value for one in texts],
    )


def _numbers(settings: GrpoSettings, count: int, *key: object) -> Any:
    """[count, 1 + tokens] numbers: for the label that comes first, and for every token."""
    length = 1 + settings.max_completion_length
    return np.stack([uniforms(length, "rollout", *key, number) for number in range(count)])


def on_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The pictures on the device; what tells faces apart stays here."""
    return {name: t.to(device) if name == "pixel_values" else t for name, t in batch.items()}
