"""Conversations about one picture: who says what, and which of it a model learns to write.

The picture is not part of any text. It belongs to the first turn of the user, and the encoder places it
there, once (`expllm.model.tokenize`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, Self

from expllm.core.errors import RecordError
from expllm.core.records import CoT
from expllm.core.vocabulary import AU_BY_NAME, AU_NAMES, FEAFA_NAMES, AUVector, Expression

_Role = Literal["user", "assistant", "system"]
Task = Literal["label", "explanation", "caption"]
"""What a conversation trains: a label, an explanation with its label, or the caption of any picture."""
Order = Literal["explanation-first", "label-first"]

PICTURE_MARK: Final = "<image>"
"""Many models read this as a picture, so no text may hold it."""
LABELS_HERE: Final = "{labels}"
UNITS_HERE: Final = "{units}"
HINT: Final = f"Measured, in percent: {UNITS_HERE}."
HINTED_ABOVE: Final = 0.05
"""Below this the engine's texts claim nothing (`grounding.checking.MENTION`)."""
HINTED_MOST: Final = {"all": 14, "feafa": 6}
"""How many of the strongest units a hint names, by `Questions.hinted`. An explanation tells all that moves:
what it tells and the hint does not, a model would have to see or to make up."""
BEFORE: Final = {"hint": "", "hinted": "feafa"}
"""What holds for models from before there were hints, or hints at other units."""


@dataclass(frozen=True)
class Turn:
    """What one side says. Only the assistant's words can be learned.

    Raises:
        RecordError: the text is empty, begins or ends with white space, holds `PICTURE_MARK` or half
            characters, or another than the assistant is to be learned.
    """

    role: _Role
    text: str
    learn: bool = False

    def __post_init__(self) -> None:
        if self.role not in ("user", "assistant", "system"):
            raise RecordError(f"a turn is the user's, the assistant's or the system's, not {self.role!r}'s")
        if self.learn and self.role != "assistant":
            raise RecordError(f"a turn of the {self.role} cannot be learned: only the assistant's can")
        if not self.text.strip():
            raise RecordError(f"a turn of the {self.role} is empty: give it a text")
        if self.text != self.text.strip():
            raise RecordError(f"a turn begins or ends with white space: strip {self.text[:40]!r}")
        if PICTURE_MARK in self.text:
            raise RecordError(f"a text holds {PICTURE_MARK!r}, which stands for a picture: take it out")
        if any("\ud800" <= character <= "\udfff" for character in self.text):
            raise RecordError(f"a text holds half a character: {self.text[:40]!a}")


@dataclass(frozen=True)
class Conversation:
    """Turns about one picture, in order.

    A turn of the system may come first; then the user and the assistant speak in turn, the user first. Where
    the user has the last word, the assistant is yet to answer.

    Raises:
        RecordError: the turns come in another order.
    """

    turns: tuple[Turn, ...]
    task: Task

    def __post_init__(self) -> None:
        if not self.spoken:
            raise RecordError("a conversation needs a turn of the user")
        for number, turn in enumerate(self.spoken):
            expected = "assistant" if number % 2 else "user"
            if turn.role != expected:
                raise RecordError(
                    f"turn {number + 1} of a conversation is the {turn.role}'s: it must be the {expected}'s"
                )

    @property
    def system(self) -> str | None:
        """What the system says, if it says anything."""
        return self.turns[0].text if self.turns and self.turns[0].role == "system" else None

    @property
    def spoken(self) -> tuple[Turn, ...]:
        """The turns of the user and the assistant."""
        return self.turns if self.system is None else self.turns[1:]

    @property
    def open(self) -> bool:
        """Whether the assistant is yet to answer."""
        return self.turns[-1].role == "user"

    @property
    def learned(self) -> tuple[str, ...]:
        """The texts that are learned."""
        return tuple(turn.text for turn in self.turns if turn.learn)

    def asked(self, question: str) -> Self:
        """Goes on with a question of the user."""
        return type(self)((*self.turns, Turn("user", question)), self.task)

    def answered(self, answer: str, *, learn: bool = True) -> Self:
        """Goes on with an answer of the assistant."""
        return type(self)((*self.turns, Turn("assistant", answer, learn)), self.task)

    def before(self, turn: int) -> Self:
        """The conversation as it was before the turn of that number, counted from 0 over all turns."""
        return type(self)(self.turns[:turn], self.task)


@dataclass(frozen=True)
class Questions:
    """What the user asks. Saved with a model: it must be asked as it was trained.

    Attributes:
        label: Asks for the expression; the label words stand in place of `{labels}`.
        explanation: Asks for the headed explanation.
        caption: Asks for the caption of any picture; the template of stage 1 leaves it out.
        hint: Follows the question for an explanation where action units were measured, which stand in place
            of `{units}`; empty for a model that is to see them by itself, as the paper's.
        hinted: Which action units a hint may name: `all`, or `feafa` for a model that learned from the
            strongest of FEAFA's 24 alone.

    Raises:
        RecordError: `{labels}` does not stand once in `label`, or `{units}` in `hint`, or a question is no
            text for a turn.
    """

    label: str = f"Which expression does this face show: {LABELS_HERE}? Answer with one of these words."
    explanation: str = (
        "Which movements do you see in this face, and what do they say together? Write key observations, "
        "an overall emotional interpretation and a conclusion."
    )
    caption: str = "What does this picture show? Answer in one sentence."
    hint: str = ""
    hinted: str = "all"

    def __post_init__(self) -> None:
        for name, question in asdict(self).items():
            if name not in ("hint", "hinted") or (name == "hint" and question):
                Turn("user", question)
        if self.hinted not in HINTED_MOST:
            raise RecordError(f"a hint names {' or '.join(HINTED_MOST)} action units, not {self.hinted!r}")
        if self.hint and self.hint.count(UNITS_HERE) != 1:
            raise RecordError(f"the hint must hold {UNITS_HERE} once: {self.hint!r}")
        if self.label.count(LABELS_HERE) != 1:
            raise RecordError(f"the question for the label must hold {LABELS_HERE} once: {self.label!r}")

    def to_dict(self) -> dict[str, str]:
        """As JSON values. Models are known by them: hints of before keep the form that they had."""
        values: dict[str, str] = asdict(self)
        if self.hinted == BEFORE["hinted"]:
            del values["hinted"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` gave.

        Raises:
            RecordError: a question is missing, unknown or no text.
        """
        names = {field.name for field in fields(cls)}
        values = {**BEFORE, **values}
        if set(values) != names or not all(isinstance(text, str) for text in values.values()):
            raise RecordError(f"questions must be the texts {', '.join(sorted(names))}, not {dict(values)!r}")
        return cls(**values)


QUESTIONS: Final = Questions()


def label_question(labels: Sequence[Expression], questions: Questions = QUESTIONS) -> Conversation:
    """The question for one label of a set, yet to be answered.

    Raises:
        RecordError: the label set is empty, or names a label twice.
    """
    return Conversation((Turn("user", _label_text(labels, questions)),), "label")


def label_conversation(
    label: Expression, labels: Sequence[Expression], questions: Questions = QUESTIONS
) -> Conversation:
    """One round: the question for a label, and the label's word.

    Raises:
        RecordError: the label is not in the set.
    """
    return label_question(labels, questions).answered(_label_word(label, labels))


def explanation_question(questions: Questions = QUESTIONS, aus: AUVector | None = None) -> Conversation:
    """The question for an explanation, yet to be answered.

    Args:
        aus: What was measured of the face, for a model that was trained with hints.
    """
    return Conversation((Turn("user", explanation_text(questions, aus)),), "explanation")


def explanation_text(questions: Questions, aus: AUVector | None) -> str:
    """The words of the question for an explanation, with the hint if there is one."""
    if not questions.hint or aus is None:
        return questions.explanation
    return f"{questions.explanation} {questions.hint.replace(UNITS_HERE, _told(aus, questions.hinted))}"


def _told(aus: AUVector, hinted: str) -> str:
    listed = [f"{name} {round(100 * value)}" for name, value in hinted_units(aus, hinted).items()]
    return ", ".join(listed) or "no visible movement"


def hinted_units(aus: AUVector, hinted: str = "all") -> dict[str, float]:
    """What a hint tells: the units that moved most, the strongest first, none without its other side.

    Args:
        hinted: As in `Questions`.
    """
    known = AU_NAMES if hinted == "all" else FEAFA_NAMES
    active = {name: value for name, value in aus.active(HINTED_ABOVE).items() if name in known}
    strongest = sorted(active, key=lambda name: -active[name])
    told = {side for name in strongest[: HINTED_MOST[hinted]] for side in (name, AU_BY_NAME[name].mirror)}
    return {name: active[name] for name in strongest if name in told}


def explanation_conversation(
    cot: CoT,
    label: Expression,
    labels: Sequence[Expression],
    order: Order = "explanation-first",
    questions: Questions = QUESTIONS,
    aus: AUVector | None = None,
) -> Conversation:
    """Two rounds, both learned: the explanation under its three headings, and the label.

    The paper's rounds are "instruction-description and instruction-label" (section III-C-2), and its released
    code trains them in this order. Where the picture is mirrored, mirror the words of `cot` and `aus` before.

    Raises:
        RecordError: the label is not in the set.
    """
    word, question = _label_word(label, labels), _label_text(labels, questions)
    if order == "explanation-first":
        begun = explanation_question(questions, aus).answered(cot.text.strip())
        return begun.asked(question).answered(word)
    begun = Conversation((Turn("user", question),), "explanation").answered(word)
    return begun.asked(explanation_text(questions, aus)).answered(cot.text.strip())


def caption_conversation(text: str, questions: Questions = QUESTIONS) -> Conversation:
    """One round: the caption of a picture, for stage 1."""
    return Conversation((Turn("user", questions.caption),), "caption").answered(text.strip())


def _label_text(labels: Sequence[Expression], questions: Questions) -> str:
    if not labels or len(set(labels)) != len(labels):
        raise RecordError(f"a label set needs labels, each once, not: {', '.join(labels) or 'none'}")
    return questions.label.replace(LABELS_HERE, ", ".join(label.value for label in labels))


def _label_word(label: Expression, labels: Sequence[Expression]) -> str:
    if label not in labels:
        raise RecordError(f"the label {label.value!r} is not in the label set: {', '.join(labels)}")
    return label.value
