"""A trained model that a server runs: asked as it was trained, over OpenAI's chat protocol."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from expllm.chat import ChatFailed, Message, OpenAIChat, picture_uri
from expllm.core.conversations import (
    Conversation,
    Order,
    explanation_question,
    explanation_text,
    label_question,
)
from expllm.core.records import CoT, Hint, Rejected
from expllm.core.vocabulary import AUVector, Expression
from expllm.faces.boxes import trained_boxes
from expllm.model.inference.vlm_output import MOST_TOKENS
from expllm.model.served_model import ServedModel
from expllm.predict.base import FaceAnswer, FaceInput, ModelIdentity, examined_text, rounded
from expllm.predict.chat import UNANSWERED, AskedExplainer, all_of, no_answer, parsed
from expllm.predict.endpoint_labels import LabelScorer, ServedLabel, normalised
from expllm.predict.hints import Hints
from expllm.predict.rewriting import Ask, rewritten, turns

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class ServedAnswer:
    """The replies of a served model about a face.

    Attributes:
        before: The label, asked before any explanation.
        text: The explanation, word for word; None where there is none.
        problem: What is wrong with the text, or why there is none; None where none was asked for.
        after: The label, asked behind the explanation.
        rejected: Sentences that do not stand in it; None where it was not audited.
    """

    before: ServedLabel
    text: str | None = None
    cot: CoT | None = None
    problem: str | None = None
    after: ServedLabel | None = None
    rejected: tuple[Rejected, ...] | None = None


class ServedExplainer(AskedExplainer):
    """A model behind an address, with the questions of the folder that is served.

    Args:
        chat: The server, at temperature 0.
        served: What the folder says.
        name: How it is called in results.
        order: As for `trained.ModelExplainer`.
        max_tokens: Of an explanation, at most.
        hint, licence: As for `trained.ModelExplainer`.
        audited: As for `chat.ChatExplainer`.
        on_status: As for `open_explainer`.
    """

    _chat: OpenAIChat

    def __init__(
        self, chat: OpenAIChat, served: ServedModel, *, name: str, order: Order | None = None,
        max_tokens: int | None = None, hint: Hint | None = None, licence: str | None = None,
        audited: bool = False,
        on_status: Callable[[str], object] = lambda _: None,
    ) -> None:  # fmt: skip
        super().__init__(chat, on_status)
        self.served, self.needs_face_box = served, served.boxed
        self._hints = Hints(served.questions, hint, licence)
        self.licences = self._hints.licences
        self.identity = self.writer = f"{name} (sha256 {served.digest[:12]})"
        # Another server may compute in other bits, and give scores in another way.
        self.model = ModelIdentity(
            name, hashlib.sha256(f"{name} {served.digest}".encode()).hexdigest(), "unknown",
            trained_boxes(served.manifest.card), served.labels, served.temperature, order or served.order,
            audited, self._hints.kind,
        )  # fmt: skip
        self._scorer = LabelScorer(chat, served)
        self._audited = audited
        self._order, self._most = order or served.order, max_tokens or MOST_TOKENS
        self._questions = served.questions
        self._label_question = label_question(served.labels, self._questions)

    @property
    def gives_probabilities(self) -> bool:
        """Whether the server says how likely tokens are; it is asked about a blank picture."""
        from PIL import Image

        blank = picture_uri(self.served.picture(Image.new("RGB", (self.served.side, self.served.side))))
        return self._loop.run(self._scorer.scores(_messages(blank, self._label_question)))

    async def _one(self, face: FaceInput, write: bool) -> FaceAnswer:
        assert face.crop is not None, "a served model is shown faces"
        picture = picture_uri(self.served.picture(face.crop))
        try:
            before = await self._first_label(face.crop, picture)
        except ChatFailed as failed:
            return no_answer(f"{UNANSWERED}: {failed.line}")
        if not write:
            return self._answer(ServedAnswer(before), face.aus)
        (hint,) = self._hints.of([face])
        said = self._answer(await self._explained(before, picture, face.aus, hint), face.aus)
        return replace(said, hint=self._hints.told(hint))

    async def _explained(
        self, before: ServedLabel, picture: str, aus: AUVector | None, hint: AUVector | None
    ) -> ServedAnswer:
        """The label with its explanation; what fails of that leaves the label as it is."""
        told = before.label if self._order == "label-first" else None
        question = _messages(picture, self._explanation_question(told, hint))
        try:
            reply = await self._chat.ask(question, max_tokens=self._most)
        except ChatFailed as failed:
            return ServedAnswer(before, problem=f"{UNANSWERED}: {failed.line}")
        rejected: tuple[Rejected, ...] | None = None
        if self._audited and not reply.filtered and not reply.refused:
            text, rejected = await rewritten(reply.text.strip(), aus, self._again(question, reply.text))
            reply = replace(reply, text=text)
        cot, problem = parsed(reply)
        text = reply.text.strip()
        try:
            after = await self._second_label(picture, hint, text)
        except ChatFailed as failed:
            second = f"no label behind the explanation: {failed.line}"
            problem = "; ".join(one for one in (problem, second) if one)
            return ServedAnswer(before, text, cot, problem, rejected=rejected)
        return ServedAnswer(before, text, cot, problem, after, rejected)

    def _again(self, question: Sequence[Message], text: str) -> Ask:
        async def again(talk: Sequence[str]) -> str | None:
            messages = [*question, Message("assistant", text), *turns(talk)]
            try:
                return (await self._chat.ask(messages, max_tokens=self._most)).text
            except ChatFailed:
                return None

        return again

    async def _first_label(self, crop: "Image.Image", picture: str) -> ServedLabel:
        """Of the face, and of its mirror image if the model is to look twice."""
        from PIL import ImageOps

        pictures = [picture]
        if self.served.mirrored:
            pictures.append(picture_uri(self.served.picture(ImageOps.mirror(crop.convert("RGB")))))
        found = await all_of(self._scorer.ask(_messages(one, self._label_question)) for one in pictures)
        known = [normalised(one.sums) for one in found if one.sums is not None]
        if len(known) < len(found):
            return ServedLabel(found[0].label, None, found[0].answer)
        means = tuple(math.fsum(logs) / len(logs) for logs in zip(*known, strict=True))
        best = self.served.labels[means.index(max(means))]
        return ServedLabel(best, means, best.value)

    async def _second_label(self, picture: str, aus: AUVector | None, text: str) -> ServedLabel:
        """The label behind the explanation: it sees no other label, only what was measured, and the text."""
        alone = explanation_question(self._questions, aus).answered(text)
        return await self._scorer.ask(_messages(picture, alone.asked(self._label_question.turns[0].text)))

    def _explanation_question(self, label: Expression | None, aus: AUVector | None) -> Conversation:
        if label is None:
            return explanation_question(self._questions, aus)
        told = self._label_question.answered(label.value)
        return told.asked(explanation_text(self._questions, aus))

    def probabilities(self, label: ServedLabel | None) -> dict[Expression, float] | None:
        """At the model's temperature; None where the server gives none."""
        if label is None or label.sums is None:
            return None
        logs = normalised(label.sums, self.served.temperature)
        return rounded({one: math.exp(log) for one, log in zip(self.served.labels, logs, strict=True)})

    def _answer(self, answer: ServedAnswer, aus: AUVector | None) -> FaceAnswer:
        before, after = answer.before, answer.after
        chosen, second = (before, after) if self._order == "label-first" or after is None else (after, before)
        found = FaceAnswer(
            chosen.label, self.probabilities(chosen), label=before.label,
            log_probabilities=None if before.sums is None else normalised(before.sums),
            label_after=None if after is None else after.label,
        )  # fmt: skip
        unreadable = [_label_problem(before), _label_problem(chosen)]
        problem = "; ".join(dict.fromkeys(one for one in (answer.problem, *unreadable) if one))
        if answer.text is None:
            missing = problem and no_answer(problem, None if answer.problem else chosen.answer).explanation
            return replace(found, explanation=missing or None)
        other = None if second is None else second.label
        checked = examined_text(answer.text, problem or None, aus, chosen.label, other, answer.rejected)
        return replace(found, cot=answer.cot, explanation=checked)


def _label_problem(label: ServedLabel) -> str | None:
    if label.label is not None:
        return None
    return f"the answer {label.answer[:60]!r} is not one of the model's labels"


def _messages(picture: str, conversation: Conversation) -> list[Message]:
    """The turns of a conversation; the picture belongs to the first of the user."""
    first = next(place for place, turn in enumerate(conversation.turns) if turn.role == "user")
    return [
        Message(turn.role, turn.text, (picture,) if place == first else ())
        for place, turn in enumerate(conversation.turns)
    ]
