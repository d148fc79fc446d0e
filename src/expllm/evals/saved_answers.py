"""The answers of an evaluation, saved: every figure can be computed from them again, without the model.

A run's folder holds `run.json`, what was asked of whom, and `answers.jsonl`, one line a face. Lines are
added in batches that are on the disk before the next one begins; a run that was cut goes on behind them.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from expllm.core.conversations import Order
from expllm.core.errors import OutputError, RecordError
from expllm.core.records import AUs, CoT, Hint, Record, Rejected, as_first_written
from expllm.core.vocabulary import AUSource, Expression
from expllm.data import Sample
from expllm.files.atomic import write_json, write_reason
from expllm.files.runs import NoRun, RunError, RunFolder

_FORMAT: Final = 2
"""Format of the answers: 2 has explanations, and what is needed to check them."""
_READABLE: Final = (1, 2)
"""Formats that are read; others are refused, not guessed at."""
CHANGEABLE: Final = frozenset({"model", "temperature", "answers_format"})
"""What may differ where a run goes on: a model that was moved or calibrated answers as before."""

EvalTask = Literal["accuracy", "transfer", "cot"]
_Status = Literal["ok", "unreadable", "no_face", "no_label"]
_Log = Annotated[float, Field(le=1e-9, allow_inf_nan=False)]


def _hint(value: object) -> object:
    """What earlier versions saved: told what was measured, or nothing."""
    return {True: "measured", False: "none"}[value] if isinstance(value, bool) else value


class Explained(Record):
    """How faces were explained, and what the texts are held against.

    Attributes:
        order: Whether the model is told its own label before it explains.
        max_new_tokens: Of an explanation, at most.
        hint: Which action units a trained model was told; earlier versions saved whether it was told any.
        audited: Whether sentences that the measured units refute were written anew, or left out.
        au_source: What the action units of faces that bring none were measured from.
        reference: Where the texts to compare with come from.
        reference_digest: SHA-256 of these texts; of texts that are written on the way, their writer.
    """

    order: Order = "explanation-first"
    max_new_tokens: int
    hint: Annotated[Hint, BeforeValidator(_hint)] = "measured"
    audited: bool = False
    au_source: AUSource = AUSource.BLENDSHAPES
    reference: str
    reference_digest: str


class Settings(Record):
    """What was asked of whom.

    Attributes:
        answers_format: Of the lines in `answers.jsonl`.
        task: `transfer` scores what both label sets have in common, `accuracy` everything; `cot` scores
            explanations too.
        model: The model's folder as it was given, or `offline`.
        digest: Of the model, less what was found out after its training (its temperature).
        dtype: Of the model's weights.
        boxes: Whether faces were boxed by the detector first.
        labels: [C] the model's label set.
        temperature: What log-probabilities are divided by for this model's probabilities.
        dataset: Its name and split as they were given.
        fingerprint: SHA-256 of the data set, from `Dataset`.
        truth_labels: The data set's label set.
        limit: At most so many faces, drawn by their ids; None for all.
        seed: Of this drawing; None for the drawing without one.
        explained: How explanations were asked for; None where only labels were.
        faces: How many are to be answered.
        skipped: Rows that the data set's own rules leave out, such as faces without a label.
        missing: Names of pictures that are not there: the first ones, and `missing_count` of all.
        versions: Of the packages that take part.
    """

    answers_format: int = _FORMAT
    task: EvalTask
    model: str
    digest: str
    dtype: str
    boxes: bool
    labels: tuple[Expression, ...]
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    dataset: str
    fingerprint: str
    truth_labels: tuple[Expression, ...]
    limit: int | None = None
    seed: int | None = None
    explained: Explained | None = None
    faces: int
    skipped: int = 0
    missing: tuple[str, ...] = ()
    missing_count: int = 0
    versions: dict[str, str]


class Answer(Record):
    """What was answered about one face.

    Attributes:
        id: The sample's.
        truth: Its label.
        status: `unreadable`: the picture cannot be opened; `no_face`: nothing to measure was found in it;
            `no_label`: the model was asked, and no label of the set can be read in its answer.
        reason: Why there is no answer; None where there is one.
        log_probabilities: [C] natural logarithms over the model's label set, normalised, at a temperature
            of 1; None without an answer, or where only a label was given.
        label: The answer.
        text: An explanation word for word, where one was asked for.
        problem: What is wrong with the text's form; None for nothing.
        rejected: Sentences that do not stand in the text, as the audit refuted them; None where the text was
            not audited while it was written.
        tokens: How many tokens the text has, and
        sampled: how many were written for other versions of rejected sentences; None where that is not known.
        label_after: The label once more, asked behind the explanation.
        aus: The face's measured action units; None where it could not be measured.
        reference: The text that the explanation is compared with; None where there is none.
    """

    id: Annotated[str, Field(min_length=1)]
    truth: Expression
    status: _Status = "ok"
    reason: str | None = None
    log_probabilities: tuple[_Log, ...] | None = None
    label: Expression | None = None
    text: str | None = None
    problem: str | None = None
    rejected: tuple[Rejected, ...] | None = None
    tokens: int | None = None
    sampled: int | None = None
    label_after: Expression | None = None
    aus: AUs | None = None
    reference: str | None = None

    @property
    def first_text(self) -> str | None:
        """The text with every rejected sentence back in its place."""
        return None if self.text is None else as_first_written(self.text, self.rejected or ())

    @property
    def cot(self) -> CoT | None:
        """The explanation in its three parts; None where it does not have them."""
        try:
            return None if self.text is None else CoT.parse(self.text)
        except RecordError:
            return None


def refused(sample: Sample, status: _Status, reason: str) -> Answer:
    """No answer, and why."""
    assert sample.expression is not None
    return Answer(id=sample.id, truth=sample.expression, status=status, reason=reason)


class EvalRun:
    """The folder of an evaluation.

    Args:
        path: Made when the run begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = RunFolder(path)

    @property
    def answers_file(self) -> Path:
        return self.path / "answers.jsonl"

    def settings(self) -> Settings:
        """What was asked of whom.

        Raises:
            NoRun: the folder holds no run.
            RunError: it is a run of another kind or version, or its settings cannot be read.
        """
        if not self.folder.exists:
            raise NoRun(
                f"{self.path}: no evaluation found: start one with 'expllm eval accuracy MODEL DATASET -o "
                f"{self.path}'"
            )
        found = self.folder.settings()
        if "answers_format" not in found:
            raise RunError(
                f"{self.path}: is another kind of run, not an evaluation: give a folder of 'expllm eval'"
            )
        if found["answers_format"] not in _READABLE:
            raise RunError(
                f"{self.path}: its answers are of format {found['answers_format']}, and this is format "
                f"{_FORMAT}: use the version of expllm that saved them, or evaluate again in another folder"
            )
        try:
            return Settings.from_dict({name: value for name, value in found.items() if name != "format"})
        except RecordError as error:
            raise RunError(f"{self.folder.settings_file}: {error}: evaluate again") from None

    def begin(self, settings: Settings) -> list[Answer]:
        """Begins a run, or goes on with it: what is answered already, and a file that ends with a whole line.

        Raises:
            OutputError: the folder cannot be written.
            RunError: the run was begun with other settings, or is damaged.
        """
        if not self.folder.exists:
            self.folder.begin(settings.to_dict())
            return []
        self.settings()
        self.folder.resume(settings.to_dict(), CHANGEABLE)
        found, end = self._read(settings)
        if self.answers_file.exists():
            os.truncate(self.answers_file, end)
        return found

    def answers(self) -> list[Answer]:
        """All answers, in the order in which they were given. A torn last line is left out.

        Raises:
            NoRun, RunError: as `settings`.
            RecordError: a line is no answer, or a face is answered twice.
        """
        return self._read(self.settings())[0]

    def add(self, answers: Iterable[Answer]) -> None:
        """Adds answers; they are on the disk when this returns.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            with self.answers_file.open("a", encoding="utf-8", newline="") as file:
                file.write("".join(f"{answer.to_json()}\n" for answer in answers))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {self.answers_file}: {write_reason(error)}") from None

    def write_scores(self, scores: dict[str, Any]) -> None:
        """Writes `scores.json`.

        Raises:
            OutputError: it cannot be written.
        """
        write_json(self.path / "scores.json", scores)

    def _read(self, settings: Settings) -> tuple[list[Answer], int]:
        """The answers, and at which byte the last whole line ends."""
        try:
            data = self.answers_file.read_bytes()
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise RunError(f"{self.answers_file}: cannot be read ({error.strerror})") from None
        end = data.rfind(b"\n") + 1
        found = list(_parsed(self.answers_file, data[:end].splitlines(), settings.labels))
        return found, end


def _parsed(path: Path, lines: Sequence[bytes], labels: Sequence[Expression]) -> Iterator[Answer]:
    """Each line as an answer that fits the label set."""
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        try:
            answer = Answer.from_json(line)
        except RecordError as error:
            raise RecordError(f"{path} line {number}: {error}: remove the line, or evaluate again") from None
        if problem := _problem(answer, seen, labels):
            raise RecordError(f"{path} line {number}: {problem}: remove the line, or evaluate again")
        seen.add(answer.id)
        yield answer


def _problem(answer: Answer, seen: set[str], labels: Sequence[Expression]) -> str | None:
    """What is wrong with an answer, for itself and among those before it."""
    if answer.id in seen:
        return f"{answer.id!r} is answered twice"
    for label in (answer.label, answer.label_after):
        if label is not None and label not in labels:
            return f"the answer {label.value!r} is not in the model's label set"
    if (answer.label is None) != (answer.status != "ok"):
        return f"the status is {answer.status!r}, and the label {answer.label and answer.label.value!r}"
    if answer.log_probabilities is not None and len(answer.log_probabilities) != len(labels):
        return f"has {len(answer.log_probabilities)} log-probabilities for {len(labels)} labels"
    return None
