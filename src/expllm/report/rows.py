"""Texts and rows shared by all views: overlay, page and terminal.

Sides are the subject's own. A picture shows the subject from the front, so the views put the subject's
right side at the left, as in the picture.
"""

from typing import Final

from expllm.core.errors import one_line
from expllm.core.records import Explanation, FaceAnalysis, Provenance, UnitReading
from expllm.core.vocabulary import ACTION_UNITS, AUSource, AUVector, Expression, Side

NOT_MEASURED: Final = "not measured"
_UNCERTAIN: Final = "uncertain"
SHOWN_ABOVE: Final = 0.05
"""Intensity (0-1) up to which the short views call an action unit quiet."""

PAIRS: Final[tuple[tuple[str, str, str], ...]] = tuple(
    # The two slides of the jaw are one action with two directions: they share a row like two sides.
    (au.action, au.mirror, au.name)
    for au in ACTION_UNITS
    if Side.LEFT in (au.side, au.direction)
)
"""Rows of two units: the action, the name of its right unit, the name of its left unit. Seven of them."""

SIDELESS_UNITS: Final[tuple[str, ...]] = tuple(
    au.name for au in ACTION_UNITS if au.side is None and au.direction is None
)
"""The 17 units of the whole face, in the order of `AU_NAMES`."""

_SENTENCES: Final = {
    "too_small": "A face was found here, but it has too few pixels to measure.",
    "no_landmarks": (
        "A face was found here, but no landmarks fit it (profile, occlusion or blur): nothing was measured."
    ),
    "no_face": "No face was found in this picture.",
    "error": "This input could not be read.",
}


_SOURCES: Final = {
    AUSource.BLENDSHAPES: "from landmarks (blendshapes)",
    AUSource.PIXELS: "from pixels",
    AUSource.BOTH: "from landmarks and pixels",
}


def intensity_text(value: float | None) -> str:
    """An intensity (0-1) as two decimals, or the words "not measured"."""
    return NOT_MEASURED if value is None else f"{value:.2f}"


def reading_text(reading: UnitReading | None) -> str:
    """Where an intensity comes from, and how far off it may be, in a few words."""
    if reading is None:
        return ""
    source = _SOURCES[reading.source]
    if reading.low is None or reading.high is None:
        return source
    return f"{source}; four of five such readings belong between {reading.low:.2f} and {reading.high:.2f}"


def reading_of(analysis: FaceAnalysis, name: str) -> UnitReading | None:
    """The source and band of a unit, where they are known."""
    return (analysis.au_readings or {}).get(name)


def percent_text(probability: float) -> str:
    """A probability (0-1) as whole percent; what is neither 0 nor 1 is never rounded to it."""
    if 0 < probability < 0.005:
        return "<1 %"
    if 0.995 <= probability < 1:
        return ">99 %"
    return f"{100 * probability:.0f} %"


def name_text(analysis: FaceAnalysis) -> str:
    """The input as one printable line, with its frame if it is part of a video."""
    name = one_line(analysis.input)
    return f"{name}, frame {analysis.frame}" if analysis.frame else name


def face_text(analysis: FaceAnalysis) -> str:
    """How the face is called in every view and in the JSON: by its `face_id`."""
    return "face" if analysis.face_id is None else f"face {analysis.face_id}"


def label_text(analysis: FaceAnalysis) -> str:
    """The expression, or words for its absence."""
    if analysis.uncertain:
        return _UNCERTAIN
    return analysis.expression.value if analysis.expression else "no label"


def status_text(analysis: FaceAnalysis) -> str | None:
    """A sentence for an input or face of which nothing is known; None for one that was measured or read."""
    if analysis.status == "ok" or analysis.explained:
        return None
    if analysis.status == "error" and analysis.error:
        return one_line(analysis.error)
    return _SENTENCES[analysis.status]


def intensities(analysis: FaceAnalysis) -> AUVector:
    """The action units; without a reading, every one is not measured."""
    return AUVector() if analysis.aus is None else analysis.aus


def ranked_expressions(analysis: FaceAnalysis) -> list[tuple[Expression, float]]:
    """Expressions and probabilities (0-1), the most probable first."""
    return sorted((analysis.probabilities or {}).items(), key=lambda pair: -pair[1])


def label_probability(analysis: FaceAnalysis) -> float | None:
    """The probability (0-1) of the expression that was chosen, where both are known."""
    if analysis.expression is None or analysis.probabilities is None:
        return None
    return analysis.probabilities.get(analysis.expression)


def check_texts(explanation: Explanation, label: Expression | None) -> list[str]:
    """What the checks of a model's text found, one sentence each."""
    found = []
    if explanation.problem:
        found.append(f"Format problem: {explanation.problem}.")
    if explanation.agree:
        found.append("The label and the text's conclusion agree.")
    elif explanation.agree is False and label is not None:
        found.append(_disagreement(explanation, label))
    if rejected := explanation.rejected:
        count = f"{len(rejected)} sentence{'s' * (len(rejected) > 1)}"
        omitted = sum(one.replacement is None for one in rejected)
        found.append(f"Refuted while the text was written: {count}, {omitted} of them left out.")
    if (grounding := explanation.grounding) is not None:
        borne_out = (
            f"{grounding.supported} of {grounding.claims}" if grounding.claims else "the text makes none"
        )
        found.append(f"Claims supported by the action units: {borne_out}.")
        if grounding.recall is not None:
            found.append(f"Active action units mentioned: {percent_text(grounding.recall)} (by intensity).")
        if grounding.unread:
            count = f"{len(grounding.unread)} of {grounding.sentences}"
            found.append(f"Sentences about the face that were not understood, and so not checked: {count}.")
    return found


def _disagreement(explanation: Explanation, label: Expression) -> str:
    ending = explanation.concluded.value if explanation.concluded else "no one expression"
    again = explanation.second_label
    if explanation.concluded is label and again is not None:
        return f"The label and the text's conclusion agree; asked once more, the label is {again.value}."
    second = f" and the label asked once more is {again.value}" if again not in (None, label) else ""
    return f"The label is {label.value}, but the text concludes with {ending}{second}."


def writer_text(provenance: Provenance) -> str:
    """Who wrote the explanation; rules are never taken for a language model, nor the other way round."""
    writer = one_line(provenance.writer)
    if writer == "none":
        return "writer: none - no explanation was asked for"
    if writer.casefold().startswith("offline"):
        return f"writer: {writer} - composed by rules from the action units, not by a language model"
    return f"writer: {writer}"


def sources_text(provenance: Provenance) -> str:
    """Which parts measured the face, on one line."""
    parts = (
        f"expllm {provenance.expllm}",
        f"detector: {provenance.detector}",
        f"action units: {provenance.au_reader}",
        f"label: {provenance.classifier}",
    )
    return one_line(" | ".join(parts))
