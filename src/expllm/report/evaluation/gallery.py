"""The gallery of a report, as the paper's Figures 4 and 5: a face, its truth, and what each writer says."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from expllm.core.errors import RecordError
from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.evals.saved_answers import Answer
from expllm.grounding import concluded
from expllm.report.evaluation.evaluated_runs import EvalRuns, ScoredRun

ENGINE_NAME: Final = "Exp-CoT Engine"


@dataclass(frozen=True)
class GalleryText:
    """One writer's text about a face.

    Attributes:
        writer: Whose text it is.
        text: Word for word.
        cot: The same in three parts; None where it does not have them.
        label: The expression that the text concludes with; None where it names none, or several.
        answer: The label that the model gives when it is asked for nothing else; None for the engine.
        problem: What is wrong with the text's form.
    """

    writer: str
    text: str
    cot: CoT | None
    label: Expression | None
    answer: Expression | None = None
    problem: str | None = None


@dataclass(frozen=True)
class GalleryItem:
    """One face with its texts.

    Attributes:
        id: Of the sample.
        truth: Its label.
        aus: Its measured action units; without any where it could not be measured.
        told: The engine's text, and one of each model, in this order; a text that is missing is left out.
    """

    id: str
    truth: Expression
    aus: AUVector
    told: tuple[GalleryText, ...]


@dataclass(frozen=True)
class Gallery:
    """Faces with their texts.

    Attributes:
        run: The first run with texts: whose faces they are.
        writers: Whose texts are beside each other.
        exhibits: The faces.
    """

    run: ScoredRun
    writers: tuple[str, ...]
    exhibits: tuple[GalleryItem, ...]


def gallery(material: EvalRuns, most: int) -> Gallery | None:
    """The gallery of the first two runs that hold explanations of the same faces; None if none does.

    Faces are sampled deterministically: round-robin over classes, by hash of the sample id.

    Args:
        material: All runs.
        most: Faces, at most.
    """
    told = [run for run in material.runs if run.texts]
    if not told or most < 1:
        return None
    first = told[0]
    second = next((run for run in told[1:] if run.settings.fingerprint == first.settings.fingerprint), None)
    names = material.names()
    shown = [run for run in (first, second) if run is not None]
    writers = [names[run.settings.digest] for run in shown]
    if len(set(writers)) < len(writers):
        writers = [f"{name} ({run.path.name})" for name, run in zip(writers, shown, strict=True)]
    by_id = [{answer.id: answer for answer in run.answers if answer.text} for run in shown]
    ids = [answer for answer in by_id[0].values() if all(answer.id in other for other in by_id)]
    drawn = _drawn(ids or list(by_id[0].values()), most)
    exhibits = tuple(
        _exhibit(answer, [(writer, each.get(answer.id)) for writer, each in zip(writers, by_id, strict=True)])
        for answer in drawn
    )
    engine = (ENGINE_NAME,) if any(answer.reference for answer in drawn) else ()
    return Gallery(first, (*engine, *writers), exhibits)


def _drawn(answers: Sequence[Answer], most: int) -> list[Answer]:
    by_class: dict[Expression, list[Answer]] = defaultdict(list)
    for answer in sorted(
        answers, key=lambda one: hashlib.sha256(one.id.encode("utf-8", "surrogatepass")).digest()
    ):
        by_class[answer.truth].append(answer)
    rounds = max(map(len, by_class.values()))
    turns = (
        by_class[label][turn : turn + 1]
        for turn in range(rounds)
        for label in Expression
        if label in by_class
    )
    return [answer for turn in turns for answer in turn][:most]


def _exhibit(answer: Answer, by_writer: Sequence[tuple[str, Answer | None]]) -> GalleryItem:
    return GalleryItem(answer.id, answer.truth, answer.aus or AUVector({}), tuple(_told(answer, by_writer)))


def _told(first: Answer, by_writer: Sequence[tuple[str, Answer | None]]) -> Iterator[GalleryText]:
    if first.reference:
        yield _read(ENGINE_NAME, first.reference)
    for writer, answer in by_writer:
        if answer is not None and answer.text:
            yield _read(writer, answer.text, answer.label, answer.problem)


def _read(
    writer: str, text: str, answer: Expression | None = None, problem: str | None = None
) -> GalleryText:
    try:
        cot = CoT.parse(text)
    except RecordError:
        cot = None
    return GalleryText(writer, text, cot, concluded(text), answer, problem)
