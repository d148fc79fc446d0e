"""Inputs of the engine for one face, and their wording in prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from expllm.core.records import TimedUnit
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression

_Verifier = Literal["llm", "rules", "both"]


@dataclass(frozen=True)
class Case:
    """One face to explain.

    Attributes:
        aus: What was measured (Img2AU).
        labels: The label set of its data.
        truth: Its label; None where the data have none: then no label is checked and none can be told.
        course: Which units moved when, where the face is one of a video.
    """

    aus: AUVector
    labels: tuple[Expression, ...]
    truth: Expression | None
    course: tuple[TimedUnit, ...] = ()


@dataclass(frozen=True)
class Rules:
    """How often the engine tries (paper, section III-B5).

    Attributes:
        verify: Who verifies: the LLM, the audit, or the audit first and then the LLM.
        hint_after: Rounds without the label; from the next one on it is told.
        max_rounds: Rounds after which a sample is kept as unresolved.
        retries: How often an answer of the wrong form is asked for again.
    """

    verify: _Verifier = "both"
    hint_after: int = 2
    max_rounds: int = 5
    retries: int = 2


@dataclass(frozen=True)
class Feedback:
    """Why a round failed: sentences, and the label if it may now be told."""

    problems: tuple[str, ...]
    hint: Expression | None = None


def positive_text(aus: AUVector) -> str:
    """``{'left eye close': 0.23, ...}``: names and intensities of the positive units, as in the paper."""
    return "{" + ", ".join(f"'{name}': {value:.4g}" for name, value in aus.active().items()) + "}"


def unknown_text(aus: AUVector) -> str:
    """A sentence on what nobody measured; empty where all was. Unknown is not zero."""
    unknown = [name for name in AU_NAMES if aus[name] is None]
    if not unknown:
        return ""
    return f" Nothing is known of {', '.join(unknown)}: these were not measured, so say nothing of them."


def course_text(course: Sequence[TimedUnit]) -> str:
    """A sentence on what moved when; empty where nobody knows. Seconds count from the first movement."""
    if not course:
        return ""
    began = min(event.onset for event in course)
    told = "; ".join(
        f"'{event.unit}' from {event.onset - began:.1f} s to {event.offset - began:.1f} s" for event in course
    )
    return (
        f" These are peaks of movements in a video: {told}. Say in which order they come: what moves first, "
        "what moves while that lasts, and what follows; name no times."
    )


def labels_text(labels: Sequence[Expression]) -> str:
    """``'Surprise', 'Fear' and 'Disgust'``."""
    names = [f"'{label.value.capitalize()}'" for label in labels]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
