"""Records that travel between the parts: frozen, JSON in and out, unknown keys refused."""

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)

from expllm.core.errors import RecordError
from expllm.core.vocabulary import AU_BY_NAME, AUSource, AUVector, Expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Probability = Annotated[float, Field(ge=0.0, le=1.0)]

AUs = Annotated[
    InstanceOf[AUVector],
    BeforeValidator(lambda value: AUVector(value) if isinstance(value, dict) else value),
    PlainSerializer(AUVector.to_dict, return_type=dict[str, float | None]),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["number", "null"]}}),
]
"""An `AUVector` as a field: in JSON an object of all 31 names, null where not measured."""

Rect = tuple[float, float, float, float]
"""Left, top, width, height of a face in pixels of the upright, full-size image."""

FaceStatus = Literal["ok", "too_small", "no_landmarks", "no_face", "error"]
"""What became of a face or an input.

`ok`: measured and explained; `too_small`: found, but too few pixels to measure; `no_landmarks`: found by the
detector, but no landmarks fit (profile, occlusion, blur): no action units, though a model that looks at the
picture may have explained it; `no_face`: the picture shows none; `error`: the input could not be read (see
`error`).
"""


Hint = Literal["none", "self", "measured"]
"""Which action units a trained model is told of a face before it explains it.

`measured`: those that were measured; `self`: those that a network reads from the face's pixels alone, without
MediaPipe; `none`: it is to see them by itself.
"""


class Record(BaseModel):
    """A frozen record. Unknown keys and wrong types are errors, not surprises."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads what [`to_json`][expllm.core.records.Record.to_json] wrote.

        Raises:
            RecordError: not JSON, an unknown or missing key, or a value out of range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RecordError(f"not a {cls.__name__}: {_first_problem(error)}") from None

    @classmethod
    def from_dict(cls, values: "Mapping[str, Any]") -> Self:
        """Like `from_json`, from a dictionary that JSON gave."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise RecordError(f"not a {cls.__name__}: {_first_problem(error)}") from None

    def to_json(self) -> str:
        """One line of JSON; what was not measured is null."""
        return self.model_dump_json()

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers, as in the JSON."""
        return self.model_dump(mode="json")


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    where = ".".join(str(part) for part in problems[0]["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where + ': ' if where else ''}{problems[0]['msg']}{more}"


class Box(Record):
    """A rectangle in pixels of the upright, full-size picture; it may reach beyond the border."""

    x: float
    y: float
    width: Annotated[float, Field(ge=0)]
    height: Annotated[float, Field(ge=0)]

    @property
    def area(self) -> float:
        return self.width * self.height


class HeadPose(Record):
    """Rotation of the head in degrees; all zero looks straight into the camera.

    Positive pitch looks up, positive yaw turns to the subject's left, positive roll leans the head to
    the subject's left shoulder.
    """

    pitch: float
    yaw: float
    roll: float


def _known_unit(name: str) -> str:
    if name not in AU_BY_NAME:
        raise ValueError(f"unknown action unit {name!r}")
    return name


class TimedUnit(Record):
    """When one action unit moved.

    Attributes:
        unit: Its name, with its side.
        onset, apex_start, apex_end, offset: Seconds.
        peak: Highest intensity, 0-1.
    """

    unit: Annotated[str, AfterValidator(_known_unit)]
    onset: float
    apex_start: float
    apex_end: float
    offset: float
    peak: Probability


class CoT(Record):
    """The three headed parts of an explanation (paper, section III-B)."""

    HEADINGS: ClassVar[tuple[str, str, str]] = (
        "Key Observations",
        "Overall Emotional Interpretation",
        "Conclusion",
    )

    key_observations: str
    overall_emotional_interpretation: str
    conclusion: str

    @property
    def parts(self) -> tuple[str, str, str]:
        return self.key_observations, self.overall_emotional_interpretation, self.conclusion

    @property
    def text(self) -> str:
        """The parts under their headings, as the released texts write them."""
        pairs = zip(self.HEADINGS, self.parts, strict=True)
        return "\n\n".join(f"**{heading}:** {part}" for heading, part in pairs)

    @property
    def word_count(self) -> int:
        """Words of the whole text, headings included: what the paper limits to 130."""
        return len(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", self.text))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits a text at its three headings (any case, with or without Markdown marks).

        Raises:
            RecordError: a heading is missing, out of order, or has nothing under it.
        """
        heads = "|".join(re.escape(heading) for heading in cls.HEADINGS)
        pieces = re.split(rf"^[\s#*_\d.]*({heads})\s*[*_]*\s*:?\s*[*_]*", text, flags=re.I | re.M)
        found = [piece.casefold() for piece in pieces[1::2]]
        if found != [heading.casefold() for heading in cls.HEADINGS]:
            wanted = ", ".join(cls.HEADINGS)
            raise RecordError(f"the text must have the headings {wanted}, once each, in order")
        parts = [" ".join(piece.split()) for piece in pieces[2::2]]
        if not all(parts):
            raise RecordError(f"nothing stands under {cls.HEADINGS[parts.index('')]!r}")
        return cls(key_observations=parts[0], overall_emotional_interpretation=parts[1], conclusion=parts[2])


class Passage(Record):
    """Words of a text with their place.

    Attributes:
        start: First character, in the text that they stand in.
        end: One past the last character.
        text: The characters between.
        part: `key_observations`, `overall_emotional_interpretation`, `conclusion`, or `text` where there are
            no headings.
    """

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    text: str
    part: str


class Grounding(Record):
    """What the audit found in a text (see [`grounding.audit`][expllm.grounding.audit.Audit]), in short.

    Attributes:
        claims: How many movements the text claims or denies.
        supported: How many of them the action units support.
        precision: `supported` / claims that could be checked, 0-1; None if there was none.
        recall: Share of the active units, weighted by intensity, that the text tells, 0-1; None if none is.
        problems: Wrong claims and untold units, one sentence each.
        sentences: How many sentences speak of the face's movements; None in files of versions that did not
            count them.
        unread: Those of them that no claim could be read from: nothing in them is checked.
    """

    claims: int
    supported: int
    precision: Probability | None = None
    recall: Probability | None = None
    problems: tuple[str, ...] = ()
    sentences: int | None = None
    unread: tuple[Passage, ...] = ()


class Rejected(Record):
    """A sentence that the measured action units refuted while the text was written.

    Attributes:
        sentence: As it was written first.
        reason: What refutes it, without a full stop.
        start: Where it would stand in the text: its replacement begins there.
        replacement: What stands there instead; None: it was left out.
        sample: Which of the other samples that is, from 1; None where it is none of them: a sentence that
            could not be left out was written by rules.
    """

    sentence: str
    reason: str
    start: Annotated[int, Field(ge=0)]
    replacement: str | None = None
    sample: Annotated[int, Field(ge=1)] | None = None


def as_first_written(text: str, rejected: "Sequence[Rejected]") -> str:
    """A text with every rejected sentence back in its place.

    >>> as_first_written("Joy.", [Rejected(sentence="Fear.", reason="", start=0, replacement="Joy.")])
    'Fear.'
    """
    for one in reversed(rejected):
        if one.replacement is None:
            text = f"{text[: one.start]} {one.sentence}{text[one.start :]}"
        else:
            text = text[: one.start] + one.sentence + text[one.start + len(one.replacement) :]
    return text


class Explanation(Record):
    """What a model wrote of a face, and how it bears up.

    Attributes:
        text: As it was written, but for `rejected` sentences; None where no text came (`problem` says why).
        problem: What is wrong with its form; None for nothing.
        concluded: The expression that the text ends with; None if it names none, or more than one.
        second_label: The label asked once more: behind the text where the label came first, before it where
            the text came first; None where it was not asked.
        agree: `expression`, `concluded` and a `second_label` are all the same; None without a label.
        grounding: The text held against the measured action units; None where none was measured.
        rejected: Sentences that the action units refuted: what stands in `text` instead of each. Empty where
            nothing was refuted; None where the text was not audited while it was written.
    """

    text: str | None
    problem: str | None = None
    concluded: Expression | None = None
    second_label: Expression | None = None
    agree: bool | None = None
    grounding: Grounding | None = None
    rejected: tuple[Rejected, ...] | None = None

    @property
    def first_text(self) -> str | None:
        """The text with every rejected sentence back in its place."""
        return None if self.text is None else as_first_written(self.text, self.rejected or ())


class UnitReading(Record):
    """Where the intensity of an action unit comes from, and how far off it may be.

    Attributes:
        source: What it was read from: MediaPipe's blendshapes, the pixels of the face, or both.
        low: Four of five held-out faces with such a reading lie between `low` and `high`; see the card of
            the AU reader. None where nothing is known to compare it with.
        high: See `low`.
    """

    source: AUSource
    low: Probability | None = None
    high: Probability | None = None


class Provenance(Record):
    """Which parts made an analysis, so that it can be repeated and nobody takes one writer for another.

    Attributes:
        hint: Which action units a trained model was told before it wrote; None where no trained model wrote.
        licences: Licence of each set of weights that was used (`expllm models list`); `unknown` where none is
            recorded. Empty for results of chat models alone, and of earlier versions.
    """

    expllm: str
    detector: str
    au_reader: str
    classifier: str
    writer: str
    hint: Hint | None = None
    licences: dict[str, str] = Field(default_factory=dict)


class FaceAnalysis(Record):
    """All that is said of one face, or of an input without one (`status`).

    Attributes:
        input: The path, URL or other name of the picture.
        frame: Frame number; 0 for a still picture.
        face_id: 0 for the largest face of the picture, and so on; None where there is no face.
        faces_found: How many faces the picture shows: more than were analysed where `max_faces` cut them
            off. None where nobody counted.
        landmarks: 478 points (x, y, z) in pixels of the full-size picture; z has the scale of x, smaller
            is nearer to the camera. Left out of JSON unless asked for.
        aus: The action units: numbers alone.
        au_readings: Of every unit that was measured, where its number comes from and how far off it may be.
            None where another tool measured, and in files of versions that did not say.
        facs: Of the units of FACS that one of ours joins, what the network of the pixels reads of each:
            `AU01` and `AU02` of the raised brow. None where pixels were not read.
        expression: The most probable expression; None where the answer is `uncertain`.
        probabilities: One probability an expression; they sum to 1. None where they are not known.
        uncertain: The most probable expression is less probable than was asked for.
        cot: The explanation in its three parts; None where a text does not have them.
        explanation: The text as a model wrote it, and its checks; None for one composed by rules.
        hidden: Parts of the face that are covered or outside the picture (`left brow`, `right eye`, `left
            mouth`, ...): what they show was not measured.
        warnings: What makes the reading less reliable, in sentences.
    """

    input: str
    frame: int = 0
    face_id: int | None = None
    faces_found: int | None = None
    status: FaceStatus
    error: str | None = None
    image_width: int | None = None
    image_height: int | None = None
    box: Box | None = None
    score: Probability | None = None
    pose: HeadPose | None = None
    aus: AUs | None = None
    au_readings: dict[str, UnitReading] | None = None
    facs: dict[str, Probability] | None = None
    expression: Expression | None = None
    probabilities: dict[Expression, Probability] | None = None
    uncertain: bool = False
    cot: CoT | None = None
    explanation: Explanation | None = None
    hidden: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: Provenance | None = None
    landmarks: tuple[tuple[float, float, float], ...] | None = Field(default=None, repr=False)

    @property
    def explained(self) -> bool:
        """Whether anybody said what the face shows, be it that it is uncertain."""
        return self.expression is not None or self.uncertain or self.explanation is not None

    def to_json(self, *, landmarks: bool = False) -> str:
        """One line of JSON; the 478 landmarks only on request: they are ten times the rest."""
        return self.model_dump_json(exclude=None if landmarks else {"landmarks"})

    def to_dict(self, *, landmarks: bool = False) -> dict[str, Any]:
        """As `to_json`, in plain Python values."""
        return self.model_dump(mode="json", exclude=None if landmarks else {"landmarks"})
