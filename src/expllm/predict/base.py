"""What an explainer is shown and what it says, and the checks that every text of a model goes through."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from expllm.core.records import CoT, Explanation, Grounding, Passage, Rejected
from expllm.core.vocabulary import AUVector, Expression
from expllm.grounding import Verdict, audit, concluded

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, eq=False)
class ShownEpisode:
    """What surrounds the apex of an episode of a video.

    Attributes:
        onset, offset: The same face at its beginning and end, RGB, cut out as the apex is.
        events: What moves when, a sentence each.
    """

    onset: "Image.Image"
    offset: "Image.Image"
    events: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shown:
    """A face.

    Attributes:
        crop: RGB, cut out as in training; None for an explainer that does not look.
        aus: What was measured; None if nothing was.
        hidden: Parts of it cannot be seen.
        episode: It is the apex of one; explainers that look at single pictures pass over the rest.
    """

    crop: "Image.Image | None"
    aus: AUVector | None
    hidden: bool = False
    episode: ShownEpisode | None = None


@dataclass(frozen=True)
class Said:
    """What is said of a face: fields of a `FaceAnalysis`, of the same names.

    Attributes:
        classifier: Who gave the label, where that depends on the face; else the explainer's identity.
    """

    expression: Expression | None = None
    probabilities: Mapping[Expression, float] | None = None
    cot: CoT | None = None
    explanation: Explanation | None = None
    classifier: str | None = None

    def fields(self) -> dict[str, Any]:
        """Those that are known."""
        known = ("expression", "probabilities", "cot", "explanation")
        return {name: value for name in known if (value := getattr(self, name)) is not None}


class FaceExplainer(Protocol):
    """Whoever says what a face shows. Several threads may ask at once."""

    @property
    def identity(self) -> str:
        """Its name, and the hash of what its answers depend on."""
        ...

    @property
    def writer(self) -> str:
        """As `identity`, for whoever writes the text."""
        ...

    @property
    def looks(self) -> bool:
        """It looks at the picture, not only at the action units."""
        ...

    @property
    def boxed(self) -> bool:
        """It was trained on faces that the detector had boxed: pictures that are face crops are cut, too."""
        ...

    @property
    def gives_probabilities(self) -> bool: ...

    @property
    def licences(self) -> Mapping[str, str]:
        """Licence of each set of weights that it loads; empty for a model behind an address."""
        ...

    @property
    def spent(self) -> float:
        """USD so far, as far as prices are known."""
        ...

    @property
    def together(self) -> int:
        """How many faces at once suit it; 1 where that does not matter."""
        ...

    def begin(self) -> None:
        """Fetches on a thread what the first face will need, so that it need not wait for it.

        What goes wrong then is raised when a face is explained.
        """
        ...

    def explain(self, faces: Sequence[Shown], *, write: bool = True) -> list[Said]:
        """What is said of each face.

        Args:
            write: False: labels only, without a text.
        """
        ...

    def stream(self, face: Shown) -> Generator[str, None, Said]:
        """The text in pieces as they come; the whole as the value of the generator."""
        ...

    def close(self) -> None:
        """Frees what it holds."""
        ...


def rounded(probabilities: Mapping[Expression, float]) -> dict[Expression, float]:
    """As they are shown and saved: with six decimals."""
    return {label: round(share, 6) for label, share in probabilities.items()}


def examined(
    text: str,
    problem: str | None,
    aus: AUVector | None,
    label: Expression | None,
    second_label: Expression | None = None,
    rejected: tuple[Rejected, ...] | None = None,
) -> Explanation:
    """A text with all that can be checked about it.

    Args:
        text: Word for word.
        problem: What is wrong with its form.
        label: What it should conclude with; None where the label was taken from the text itself.
        second_label, rejected: As in `Explanation`.
    """
    ending = concluded(text)
    others = {ending} if second_label is None else {ending, second_label}
    return Explanation(
        text=text,
        problem=problem,
        concluded=ending,
        second_label=second_label,
        agree=None if label is None else others == {label},
        grounding=None if aus is None or not aus.measured else _grounding(text, aus),
        rejected=rejected,
    )


def _grounding(text: str, aus: AUVector) -> Grounding:
    found = audit(text, aus)
    return Grounding(
        claims=len(found.checked),
        supported=found.counts.get(Verdict.SUPPORTED, 0),
        precision=found.precision,
        recall=None if found.recall is None else min(1.0, found.recall),
        problems=found.problems,
        sentences=found.sentences,
        unread=tuple(Passage(**one.to_dict()) for one in found.unread),
    )
