"""A chat model that sees: the face goes to an OpenAI-style endpoint with the question of the paper."""

import asyncio
import io
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from expllm.chat import ChatFailed, ChatModel, Message, Reply, picture_uri
from expllm.core.conversations import QUESTIONS, label_question
from expllm.core.errors import RecordError
from expllm.core.records import CoT, Explanation, Rejected
from expllm.core.vocabulary import AUVector, Expression
from expllm.grounding import concluded
from expllm.predict.base import FaceAnswer, FaceInput, ModelIdentity, examined_text
from expllm.predict.rewriting import rewritten, turns

if TYPE_CHECKING:
    from PIL import Image

_T = TypeVar("_T")
_LONGEST_SIDE: Final = 512
"""Of a picture that is sent, in pixels: what such models look at in one piece."""
_TOGETHER: Final = 8
UNANSWERED: Final = "no answer"
_FILTERED: Final = "a filter at the server declined to answer"
FORM: Final = (
    "Put each under its heading: {headings}. Write at most 130 words. "
    "In the conclusion, name one of these expressions: {labels}."
)
"""What a model cannot know that was not trained here: the form, and which labels there are."""
EPISODE: Final = (
    "The three pictures show the same face in a video: at the onset, the apex and the offset of one episode. "
    "Measured movements, with the times of the video in minutes and seconds: {events} Key Observations tell "
    "the course: what moves first, what at the same time, what then, and for how long, by these times only."
)
"""What goes before the question where the face is an episode's."""


class AskedExplainer(ABC):
    """What explainers that ask a server share: a loop for its connections, and texts that come in one piece.

    Attributes:
        spent: USD so far, as far as prices are known.
    """

    identity: str
    licences: Mapping[str, str] = MappingProxyType({})
    needs_image = True
    batch_size = _TOGETHER
    spent = 0.0

    def __init__(self, chat: ChatModel, on_status: Callable[[str], object]) -> None:
        self._chat, self._on_status = chat, on_status
        self._loop = AskingLoop()

    def explain(self, faces: Sequence[FaceInput], *, write: bool = True) -> list[FaceAnswer]:
        """See `FaceExplainer`; all faces are asked about at the same time.

        Raises:
            ChatError: no question can be answered before its cause is removed.
        """
        self._on_status(f"waiting for {self.identity}")
        return self._loop.run(self._all(faces, write))

    async def _all(self, faces: Sequence[FaceInput], write: bool) -> list[FaceAnswer]:
        return await all_of(self._one(face, write) for face in faces)

    @abstractmethod
    async def _one(self, face: FaceInput, write: bool) -> FaceAnswer:
        """The answer about one face."""

    def stream(self, face: FaceInput) -> Generator[str, None, FaceAnswer]:
        """See `FaceExplainer`; the text comes in one piece."""
        (said,) = self.explain([face])
        if said.explanation is not None and said.explanation.text:
            yield said.explanation.text
        return said

    def preload(self) -> None:  # noqa: B027 - nothing is left for the children to do
        """Nothing is to be fetched."""

    def close(self) -> None:
        """Ends the connections."""
        self._loop.run(self._chat.close())
        self._loop.close()


class ChatExplainer(AskedExplainer):
    """A chat model. It is asked one question a face, and its label is the one that its text ends with.

    Args:
        chat: The model.
        labels: The expressions that it may name.
        budget: USD that may be spent; None for no bound. What is under way when it is spent still ends.
        audited: It is asked for other versions of each sentence that the measured action units refute.
        digest: SHA-256 of how it is asked.
        on_status: As for `open_explainer`.
    """

    needs_face_box = True
    gives_probabilities = False

    def __init__(
        self, chat: ChatModel, labels: Sequence[Expression], *, budget: float | None = None,
        audited: bool = False, digest: str = "", on_status: Callable[[str], object] = lambda _: None,
    ) -> None:  # fmt: skip
        super().__init__(chat, on_status)
        name = f"chat:{chat.identity}"
        self.model = ModelIdentity(name, digest, "unknown", False, tuple(labels), audited=audited)
        self.identity = self.writer = name
        self._labels, self._budget = tuple(labels), budget
        self._audited = audited
        self._label_text = label_question(labels).turns[0].text
        self._text = asked_explanation(labels)

    async def _one(self, face: FaceInput, write: bool) -> FaceAnswer:
        if self._budget is not None and self.spent >= self._budget:
            return no_answer("not asked: the budget is spent")
        question = self._question(face, write=write)
        try:
            reply = await self._asked([question])
        except ChatFailed as failed:
            return no_answer(f"{UNANSWERED}: {failed.line}")
        if not write or not self._audited or reply.filtered or reply.refused:
            return self.understood(reply, face.aus, write=write)

        async def again(talk: Sequence[str]) -> str | None:
            if self._budget is not None and self.spent >= self._budget:
                return None
            try:
                return (await self._asked([question, Message("assistant", reply.text), *turns(talk)])).text
            except ChatFailed:
                return None

        text, rejected = await rewritten(reply.text, face.aus, again)
        return self.understood(replace(reply, text=text), face.aus, rejected=rejected)

    def _question(self, face: FaceInput, *, write: bool) -> Message:
        """One picture; of an episode of a video that is to be told, three and what moves when."""
        assert face.crop is not None, "a chat model is shown faces"
        if not write or face.episode is None:
            return Message("user", self._text if write else self._label_text, (_sent(face.crop),))
        episode = face.episode
        pictures = tuple(_sent(one) for one in (episode.onset, face.crop, episode.offset))
        told = EPISODE.format(events=" ".join(episode.events))
        return Message("user", f"{told} {self._text}", pictures)

    async def _asked(self, messages: Sequence[Message]) -> Reply:
        try:
            reply = await self._chat.ask(messages)
        except ChatFailed as failed:
            self.spent += failed.cost or 0.0
            raise
        self.spent += reply.cost or 0.0
        return reply

    def understood(
        self, reply: Reply, aus: AUVector | None, *, write: bool = True,
        rejected: tuple[Rejected, ...] | None = None,
    ) -> FaceAnswer:  # fmt: skip
        """What a reply says. Nothing of it is guessed at: what cannot be read is a problem."""
        if reply.filtered:
            said = reply.text or reply.finish
            return no_answer(f"{_FILTERED}: {said}")
        if reply.refused:
            return no_answer("the model declined to answer", reply.text or None)
        label = concluded(reply.text)
        problem = self._label_problem(label)
        cot = None
        if write:
            cot, malformed = parsed(reply)
            problem = "; ".join(one for one in (malformed, problem) if one) or None
        elif problem is None:
            return FaceAnswer(label, label=label)
        known = label if label in self._labels else None
        checked = examined_text(reply.text, problem, aus, None, rejected=rejected)
        return FaceAnswer(known, None, cot, checked, label=known)

    def _label_problem(self, label: Expression | None) -> str | None:
        if label is None:
            return "the answer names no expression, or several"
        if label not in self._labels:
            return f"the answer is {label.value}, which is not among the expressions that were asked for"
        return None


def unanswered(problem: str | None) -> tuple[str, str] | None:
    """Why a question was not answered at all, and what the server said; None where it was answered.

    >>> unanswered("no answer: no usable reply after 6 attempts: timeout")
    ('no answer', 'no usable reply after 6 attempts: timeout')
    """
    head, _, said = (problem or "").partition(": ")
    return (head, said) if head in (UNANSWERED, _FILTERED) else None


def asked_explanation(labels: Sequence[Expression]) -> str:
    """The question for an explanation, as trained models are asked, and the form of its answer."""
    form = FORM.format(headings=", ".join(CoT.HEADINGS), labels=", ".join(label.value for label in labels))
    return f"{QUESTIONS.explanation} {form}"


def parsed(reply: Reply) -> tuple[CoT | None, str | None]:
    """The parts of an explanation, and what is wrong with its form."""
    cut = "the text was cut off" if reply.finish == "length" else None
    try:
        return CoT.parse(reply.text), cut
    except RecordError as error:
        return None, cut or str(error)


def no_answer(problem: str, text: str | None = None) -> FaceAnswer:
    """A face of which nothing is said, and why."""
    return FaceAnswer(explanation=Explanation(text=text, problem=problem))


def _sent(crop: "Image.Image") -> str:
    """A face as it is sent: PNG, at most `_LONGEST_SIDE` pixels."""
    small, file = crop.copy(), io.BytesIO()
    small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    small.save(file, "PNG")
    return picture_uri(file.getvalue())


async def all_of(works: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results, in order; where one fails, the others are given up before its error goes on."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class AskingLoop:
    """An event loop on a thread of its own, so that any thread may ask, also one that runs a loop itself."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of `work`, from any thread."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="chat", daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C: what is under way is of no use any more
            future.cancel()
            raise

    def close(self) -> None:
        """Stops it."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None
