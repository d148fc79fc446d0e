"""What an explainer is given and what it answers, and the checks that every generated text goes through."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from expllm.core.conversations import Order
from expllm.core.records import CoT, Explanation, Grounding, Hint, Passage, Rejected
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
class FaceInput:
    """A face, as an explainer is given it.

    Attributes:
        crop: RGB, cut out as in training; None for an explainer that needs no image.
        aus: What was measured; None if nothing was.
        hidden: Parts of it cannot be seen.
        episode: It is the apex of one; explainers that look at single pictures pass over the rest.
    """

    crop: "Image.Image | None"
    aus: AUVector | None
    hidden: bool = False
    episode: ShownEpisode | None = None


ANALYSIS_FIELDS: Final = ("expression", "probabilities", "cot", "explanation")


@dataclass(frozen=True)
class FaceAnswer:
    """The answer about a face.

    Attributes:
        expression, probabilities, cot, explanation: As in a `FaceAnalysis`.
        label: The label as it is asked alone, before any explanation. Where only one label is asked for, it
            is the expression.
        log_probabilities: [C] natural logarithms for that question over the model's label set, normalised, at
            a temperature of 1; None where they are not known.
        label_after: The label once more, asked behind the explanation.
        tokens: Of the explanation, and
        sampled: tokens that were generated for other versions of its refuted sentences.
        classifier: What gave the label, where that depends on the face; else the explainer's identity.
        hint: Which action units a trained model was told before it explained; None where it did not.
    """

    expression: Expression | None = None
    probabilities: Mapping[Expression, float] | None = None
    cot: CoT | None = None
    explanation: Explanation | None = None
    label: Expression | None = None
    log_probabilities: tuple[float, ...] | None = None
    label_after: Expression | None = None
    tokens: int | None = None
    sampled: int | None = None
    classifier: str | None = None
    hint: Hint | None = None

    def fields(self) -> dict[str, Any]:
        """The known fields of a `FaceAnalysis`."""
        found = {name: getattr(self, name) for name in ANALYSIS_FIELDS}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answers, and how: runs with the same identity have the same answers.

    Attributes:
        name: `offline`, `compact`, a folder, `chat:NAME` or `endpoint:URL`.
        digest: SHA-256 of all that the answers depend on but `dtype`, `boxes` and `temperature`.
        dtype: Of the weights; `unknown` where they are on a server.
        boxes: Whether the model was trained on faces that the detector had boxed; `auto`: on those that do
            not come cut out.
        labels: [C] the label set.
        temperature: What log-probabilities are divided by.
        order: Whether the label comes before its explanation.
        audited: Whether sentences that the measured action units refute are written anew, or left out.
        hint: Which action units it is told before it explains.
    """

    name: str
    digest: str
    dtype: str
    boxes: bool | str
    labels: tuple[Expression, ...]
    temperature: float = 1.0
    order: Order = "explanation-first"
    audited: bool = False
    hint: Hint = "none"


class FaceExplainer(Protocol):
    """Explains faces: rules, a trained model, or a model on a server. Thread-safe."""

    @property
    def identity(self) -> str:
        """Name and version, for provenance: with the hash of what its answers depend on."""
        ...

    @property
    def writer(self) -> str:
        """As `identity`, for what generates the text."""
        ...

    @property
    def model(self) -> ModelIdentity:
        """What an evaluation records of it. A model on a server must be reachable."""
        ...

    @property
    def needs_image(self) -> bool:
        """Whether it is given the image of the face, not only its action units."""
        ...

    @property
    def needs_face_box(self) -> bool:
        """Whether it was trained on faces that the detector had boxed: face crops are cut again then."""
        ...

    @property
    def gives_probabilities(self) -> bool:
        """Whether its answers have probabilities. A model on a server is asked."""
        ...

    @property
    def licences(self) -> Mapping[str, str]:
        """Licence of each set of weights that it loads; empty for a model behind an address."""
        ...

    @property
    def spent(self) -> float:
        """USD so far, as far as prices are known."""
        ...

    @property
    def batch_size(self) -> int:
        """How many faces are best explained in one call."""
        ...

    def preload(self) -> None:
        """Starts loading the weights in the background.

        Errors are raised when a face is explained.
        """
        ...

    def explain(self, faces: Sequence[FaceInput], *, write: bool = True) -> list[FaceAnswer]:
        """One answer for each face, in their order; the faces are one batch.

        Args:
            write: False: labels only, no explanation.
        """
        ...

    def stream(self, face: FaceInput) -> Generator[str, None, FaceAnswer]:
        """The explanation in pieces, as they are generated; the answer as the value of the generator."""
        ...

    def close(self) -> None:
        """Releases weights and connections."""
        ...


def rounded(probabilities: Mapping[Expression, float]) -> dict[Expression, float]:
    """As they are shown and saved: with six decimals."""
    return {label: round(share, 6) for label, share in probabilities.items()}


def examined_text(
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
