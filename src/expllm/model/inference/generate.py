"""Answers of a trained model: a label with probabilities at once, an explanation on demand."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import torch
from PIL.Image import Transpose
from torch import Tensor

from expllm.core.conversations import Order, Questions, explanation_question, explanation_text, label_question
from expllm.core.errors import RecordError, UsageError
from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.model.inference.audited_decoding import Ids, TextDraft, TextVerifier
from expllm.model.inference.backend import InferenceBackend, answer_text, pieces
from expllm.model.inference.label_head import LabelHead
from expllm.model.inference.label_scoring import token_tree
from expllm.model.inference.loader import load_fast_runtime
from expllm.model.inference.vlm_output import MOST_TOKENS, GeneratedText, LabelScores, VLMOutput
from expllm.model.manifest import calibrated_temperature, read_manifest
from expllm.model.model_inputs import InputPreparation, Preparer, preparer
from expllm.model.tokenize import label_tokens

if TYPE_CHECKING:
    from PIL import Image

_NO_IMAGE: Final = "no image given: pass at least one"


class Askable(InputPreparation, Protocol):
    """What can be asked: a `Bundle`, or a `LightBundle`."""

    @property
    def labels(self) -> tuple[Expression, ...]: ...

    @property
    def questions(self) -> Questions: ...

    def backend(self, prepared: Preparer, dtype: torch.dtype | None, prompt: Ids) -> InferenceBackend:
        """The model, ready to answer; `prompt` is one of those that it will be given."""
        ...


class FaceVLM:
    """A vision-language model, ready to answer about faces.

    The bundle is used up: its adapters are merged, its weights taken over. Pictures of a call are one batch.

    Args:
        bundle: A model, as it was trained or read back.
        temperature: Above 1 makes probabilities less sure; the answers stay the same.
        dtype: Of the weights; by default that of the language model. Adapters are added in 32-bit floats.
        mirrored: A label's log-probability is the mean of those for the picture and its mirror image.
        label_head: Answers labels in place of the language model; asked behind a text, that one does.
        language_temperature: Of labels that the language model answers; `temperature` if None.
    """

    def __init__(
        self,
        bundle: Askable,
        *,
        temperature: float = 1.0,
        dtype: torch.dtype | None = None,
        mirrored: bool = False,
        label_head: LabelHead | None = None,
        language_temperature: float | None = None,
    ) -> None:
        self._mirrored, self._label_head = mirrored, label_head
        self._language_temperature = language_temperature or temperature
        self.label_set, self._tokenizer, self._temperature = bundle.labels, bundle.tokenizer, temperature
        self._questions = bundle.questions
        self._preparer = preparer(bundle)
        self._encoder = self._preparer.encoder
        words = [label_tokens(self._encoder, label) for label in bundle.labels]
        self._tree, self._end = token_tree(words), words[0][-1]
        asked = label_question(bundle.labels, bundle.questions)
        self._label_prompt = self._encoder.prompt(asked)
        self._explanation_prompt = self._encoder.prompt(explanation_question(bundle.questions))
        self._backend = bundle.backend(self._preparer, dtype, self._explanation_prompt)
        explained = explanation_question(bundle.questions).answered("-")
        again = self._encoder.prompt(explained.asked(asked.turns[0].text))
        self._label_again = [self._end, *behind(self._encoder.encode(explained).learned, again)]
        self._kept_free = len(self._label_again) + max(map(len, words))

    @classmethod
    def load(
        cls, folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu",
        *, like: Path | None = None,
    ) -> Self:  # fmt: skip
        """A saved model, with the temperature that was saved with it, and mirror images if it says so.

        Args:
            like: The model whose temperature and mirror images count: two are compared as one is asked.

        Raises:
            UsageError, MissingWeights, ModelError: as `checkpoint.load`; a temperature that is none.
        """
        manifest, extra = read_manifest(folder), read_manifest(like or folder).extra
        temperature, of_language = (
            calibrated_temperature(like or folder, extra, of_language=one) for one in (False, True)
        )
        bundle: Askable | None = load_fast_runtime(folder, device)
        if bundle is None:
            from expllm.model.checkpoint import load_model

            bundle = load_model(folder, dtype, device)
        return cls(
            bundle, temperature=temperature, dtype=dtype, mirrored=extra.get("mirrored") is True,
            label_head=LabelHead.read(folder, manifest), language_temperature=of_language,
        )  # fmt: skip

    def score_labels(self, images: Sequence["Image.Image"]) -> LabelScores:
        """The label of each picture: RGB, any size, cut out as in training."""
        return self._labels(images)

    def features(self, images: Sequence["Image.Image"]) -> Tensor:
        """[looks, pictures, width]: what the tower sees of each picture, and of its mirror image if a label
        is the mean of both. RGB, any size, cut out as in training.
        """
        if not images:
            raise UsageError(_NO_IMAGE)
        looks = [*images, *_mirror_images(images)] if self._mirrored else images
        found = self._backend.glance([self._preparer.pixels(image) for image in looks])
        return found.reshape(-1, len(images), found.shape[-1])

    def explanations(
        self,
        images: Sequence["Image.Image"],
        labels: Sequence[Expression] | None = None,
        max_new_tokens: int = MOST_TOKENS,
        aus: Sequence[AUVector | None] | None = None,
        verifiers: Sequence[TextVerifier | None] | None = None,
    ) -> list[GeneratedText]:
        """An explanation of each picture, the likeliest token each time: the same every time.

        Args:
            labels: [N] what the model has answered before (label first); None: the explanation comes first.
            max_new_tokens: Most tokens of a text.
            aus: [N] what was measured of each face, for a model trained with hints; others are not told.
            verifiers: [N] who judges the sentences of each text while it is written; None: nobody.

        Raises:
            UsageError: `max_new_tokens` is less than 1, or more than the model's context has room for.
        """
        prompts = self._explanation_prompts(len(images), labels, max_new_tokens, aus)
        drafts = self._drafts(prompts, verifiers)
        self._write(self._look(images), prompts, drafts, max_new_tokens)
        return self._written(drafts)

    def stream(
        self,
        image: "Image.Image",
        max_new_tokens: int = MOST_TOKENS,
        label: Expression | None = None,
        aus: AUVector | None = None,
        verifier: TextVerifier | None = None,
    ) -> Generator[str, None, GeneratedText]:
        """The explanation of a picture in pieces, as they are written; together they are its text.

        Args:
            max_new_tokens: Most tokens of the text.
            label: What the model has answered before; None: the explanation comes first.
            aus, verifier: As `explanations`, of this face; a verified text comes sentence by sentence.

        Returns:
            The whole, as the value of the generator.

        Raises:
            UsageError: as `explanations`.
        """
        labels = None if label is None else [label]
        prompts = self._explanation_prompts(1, labels, max_new_tokens, None if aus is None else [aus])
        return self._streamed(self._look([image]), prompts, [verifier], max_new_tokens)

    def _streamed(
        self,
        seen: Any,
        prompts: Sequence[Ids],
        verifiers: Sequence[TextVerifier | None],
        max_new_tokens: int,
    ) -> Generator[str, None, GeneratedText]:
        drafts = self._drafts(prompts, verifiers)
        yield from pieces(self._tokenizer, self._tokens(seen, prompts, drafts, max_new_tokens))
        return self._written(drafts)[0]

    def generate(
        self,
        images: Sequence["Image.Image"],
        order: Order = "explanation-first",
        max_new_tokens: int = MOST_TOKENS,
        aus: Sequence[AUVector | None] | None = None,
        on_token: Callable[[str], object] | None = None,
        verifiers: Sequence[TextVerifier | None] | None = None,
    ) -> VLMOutput:
        """Label, explanation, and the label once more behind the explanation. Pictures are encoded once.

        Args:
            order: `label-first` tells the model the label that it gave before it explains. The second label
                is asked behind the explanation alone in either case: does the text bear the label out?
            max_new_tokens, aus, verifiers: As `explanations`.
            on_token: Told each piece of the text of a lone picture as it is written.

        Raises:
            UsageError: as `explanations`.
        """
        seen = self._look(images)
        first = self._labels(images, seen)
        told = first.best if order == "label-first" else None
        prompts = self._explanation_prompts(len(images), told, max_new_tokens, aus)
        drafts = self._drafts(prompts, verifiers)
        self._write(seen, prompts, drafts, max_new_tokens, on_token)
        # The label that is asked behind a text sees no other label: only what was measured, and the text.
        alone = self._explanation_prompts(len(images), None, max_new_tokens, aus)
        again = [[*asked, *one.text, *self._label_again] for asked, one in zip(alone, drafts, strict=True)]
        return VLMOutput(first, tuple(self._written(drafts)), self._scores(seen, again))

    def _look(self, images: Sequence["Image.Image"]) -> Any:
        if not images:
            raise UsageError(_NO_IMAGE)
        return self._backend.look([self._preparer.pixels(image) for image in images])

    def _labels(self, images: Sequence["Image.Image"], seen: Any | None = None) -> LabelScores:
        """The labels that are asked first; `seen` are the pictures if they were looked at before."""
        if self._label_head is not None:
            return self._told(self._label_head.log_probabilities(self.features(images)), self._temperature)
        seen = self._look(images) if seen is None else seen
        prompts = [self._label_prompt] * len(images)
        if not self._mirrored:
            return self._scores(seen, prompts)
        other = self._look(_mirror_images(images))
        sums = [self._sums(one, prompts).log_softmax(-1) for one in (seen, other)]
        return self._told(torch.stack(sums).mean(0), self._language_temperature)

    def _scores(self, seen: Any, prompts: Sequence[Ids]) -> LabelScores:
        return self._told(self._sums(seen, prompts), self._language_temperature)

    def _sums(self, seen: Any, prompts: Sequence[Ids]) -> Tensor:
        return self._backend.scores(seen, prompts, self._tree).double().cpu()

    def _told(self, sums: Tensor, temperature: float) -> LabelScores:
        logs = (sums / temperature).log_softmax(-1)
        return LabelScores(logs.numpy(), sums.numpy(), self.label_set)

    def _explanation_prompts(
        self, count: int, labels: Sequence[Expression] | None, max_new_tokens: int,
        aus: Sequence[AUVector | None] | None = None,
    ) -> list[Ids]:  # fmt: skip
        """The prompt of each picture.

        Raises:
            UsageError: as `explanations`.
        """
        for given, what in ((labels, "labels"), (aus, "measurements")):
            if given is not None and len(given) != count:
                raise UsageError(f"{count} pictures and {len(given)} {what}: give one a picture")
        prompts = [
            self._prompt(None if labels is None else labels[i], None if aus is None else aus[i])
            for i in range(count)
        ]
        room = self._encoder.max_length - max(map(len, prompts), default=0) - self._kept_free
        if not 1 <= max_new_tokens <= room:
            raise UsageError(
                f"max_new_tokens is {max_new_tokens:,}: choose 1 to {room:,}, which the model has room for"
            )
        return prompts

    def _prompt(self, label: Expression | None, aus: AUVector | None) -> Ids:
        """The question for an explanation; behind the label's round if there is a label."""
        if label is None:
            hinted = aus is not None and self._questions.hint
            asked = explanation_question(self._questions, aus)
            return self._encoder.prompt(asked) if hinted else self._explanation_prompt
        round_ = label_question(self.label_set, self._questions).answered(label.value)
        return self._encoder.prompt(round_.asked(explanation_text(self._questions, aus)))

    def _drafts(
        self, prompts: Sequence[Ids], verifiers: Sequence[TextVerifier | None] | None
    ) -> list[TextDraft]:
        verifiers = [None] * len(prompts) if verifiers is None else verifiers
        return [TextDraft(self._tokenizer, verifier) for _, verifier in zip(prompts, verifiers, strict=True)]

    def _write(
        self, seen: Any, prompts: Sequence[Ids], drafts: Sequence[TextDraft], max_new_tokens: int,
        on_token: Callable[[str], object] | None = None,
    ) -> None:  # fmt: skip
        tokens = self._tokens(seen, prompts, drafts, max_new_tokens)
        if on_token is None or len(prompts) > 1:
            deque(tokens, maxlen=0)
        else:
            for piece in pieces(self._tokenizer, tokens):
                on_token(piece)

    def _tokens(
        self, seen: Any, prompts: Sequence[Ids], drafts: Sequence[TextDraft], max_new_tokens: int
    ) -> Iterator[int]:
        """Tokens of all texts, as they come to stand."""
        for step in self._backend.write(seen, prompts, drafts, self._end, max_new_tokens):
            yield from (token for _, token in step)

    def _written(self, drafts: Sequence[TextDraft]) -> list[GeneratedText]:
        return [_parsed(answer_text(self._tokenizer, draft.text), draft) for draft in drafts]


def _mirror_images(images: Sequence["Image.Image"]) -> "list[Image.Image]":
    return [image.transpose(Transpose.FLIP_LEFT_RIGHT) for image in images]


def _parsed(text: str, draft: TextDraft) -> GeneratedText:
    """A text with its parts, or with what is wrong with it."""
    tokens = len(draft.text)
    cut = f"the text was cut off after {tokens:,} tokens" if draft.cut else None
    rejected = None if draft.verifier is None else tuple(draft.rejected)
    try:
        return GeneratedText(text, CoT.parse(text), cut, tokens, rejected, draft.sampled)
    except RecordError as error:
        return GeneratedText(text, None, cut or str(error), tokens, rejected, draft.sampled)


def behind(answer: Ids, prompt: Ids) -> Ids:
    """The ids behind the last place where an answer stands in a prompt."""
    size = len(answer)
    last = max(place for place in range(len(prompt)) if prompt[place : place + size] == answer)
    return prompt[last + size :]
