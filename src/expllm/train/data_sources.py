"""Assembles a stage's faces from data sets and the engine's texts and action units."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from expllm.core.conversations import Questions
from expllm.core.errors import ExpllmError, MissingData, RecordError
from expllm.core.records import CoT
from expllm.core.vocabulary import AUVector, Expression
from expllm.data import Dataset, Sample, open_dataset
from expllm.data.captions import open_captions
from expllm.data.people import check_apart
from expllm.data.roots import located_dataset
from expllm.train.recipe import DataConfig, StageConfig
from expllm.train.training_sets import CaptionTrainingSet, FaceTrainingSet, TrainingFace, TrainingSet


def read_stage(
    data: DataConfig, stage: StageConfig, questions: Questions, split: str = "train"
) -> TrainingSet:
    """The training set of a stage.

    Args:
        split: `train` or `valid`: which of the recipe's data sets.

    Raises:
        MissingData: it, or the texts, are not there, or none of its faces can be used.
        ExpllmError: they are damaged.
    """
    if stage.task == "captions" and data.captions not in (None, "texts"):
        return CaptionTrainingSet(open_captions(_path(data, data.captions), data.limit), questions)
    faces = read_faces(data, stage, questions, split)
    if stage.task == "captions":
        told = tuple(face for face in faces.faces if face.cot is not None)
        if not told:
            raise MissingData(
                "stage 1 has no captions: set data.captions, or data.texts and data.captions=texts"
            )
        return replace(faces, faces=told)
    return faces


def read_faces(data: DataConfig, stage: StageConfig, questions: Questions, split: str) -> FaceTrainingSet:
    """The faces of a recipe's data set, with their explanations.

    Raises:
        MissingData, ExpllmError: as `read_stage`.
    """
    names = named_sets(data, split)
    if not names:
        raise MissingData(f"the recipe names no faces: set data.{split}, such as data.{split}=rafdb:{split}")
    # Texts come first: they are read in seconds, and a name that is wrong need not wait for the pictures.
    texts = {id_: told for path in _listed(data.texts) for id_, told in _texts(path)}
    if split == "valid":
        _check_apart(data, names)
    datasets = [open_dataset(_path(data, name), kind=data.kind) for name in names]
    labels = _common_labels(datasets)
    faces: list[TrainingFace] = []
    left_out: list[tuple[str, str]] = []
    for dataset in datasets:
        left_out += dataset.skipped
        for sample in dataset:
            face, problem = _face(sample, dataset.kind, texts.get(sample.id), labels, data)
            if problem:
                left_out.append((sample.id, problem))
            if face is not None and (data.limit is None or len(faces) < data.limit):
                faces.append(face)
    if not faces:
        raise MissingData(f"{', '.join(names)}: no face with a picture and a label")
    if texts and split == "train" and not any(face.cot for face in faces):
        told = ", ".join(_listed(data.texts))
        raise MissingData(
            f"{told}: explains none of the faces of {', '.join(names)}: were they made from others?"
        )
    fingerprint = _fingerprint("".join(dataset.fingerprint for dataset in datasets), faces)
    label_first = {"label-first": 1.0, "explanation-first": 0.0}.get(stage.order, stage.label_first)
    return FaceTrainingSet(
        tuple(faces),
        labels,
        questions,
        label_first,
        fingerprint,
        tuple(left_out),
        data.votes,
        data.au_hint_dropout,
    )


def named_sets(data: DataConfig, split: str) -> tuple[str, ...]:
    """The data sets of a split, by name."""
    return _listed(data.train if split == "train" else data.valid)


def _listed(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) and names else tuple(names or ())


def _check_apart(data: DataConfig, names: Sequence[str]) -> None:
    """Nobody is learned and validated on at once."""
    for name in names:
        for learned in named_sets(data, "train"):
            check_apart(
                lambda learned=learned: open_dataset(_path(data, learned), kind=data.kind),  # type: ignore[misc]
                open_dataset(_path(data, name), kind=data.kind),
            )


def _common_labels(datasets: Sequence[Dataset]) -> tuple[Expression, ...]:
    """The first data set's labels, which those of the others must be among."""
    labels = datasets[0].labels
    for dataset in datasets[1:]:
        if outside := set(dataset.labels) - set(labels):
            raise ExpllmError(
                f"{dataset.name}: has the label {min(outside).value!r}, which {datasets[0].name} has not: "
                "name the data set with the most labels first"
            )
    return labels


def _face(
    sample: Sample, kind: str, told: "FaceTexts | None", labels: Sequence[Expression], data: DataConfig
) -> tuple[TrainingFace | None, str]:
    """A face to learn from, and what is wrong with it or its text."""
    if sample.expression is None or sample.image is None:
        return None, "no label" if sample.image is not None else "no picture"
    told = told or FaceTexts(sample.text, None if sample.aus is None else AUVector(sample.aus))
    cot, problem = _cot(told.text)
    cot = cot if cot and _wanted(cot, data) else None
    shares = _shares(sample.votes, labels, sample.expression)
    face = TrainingFace(sample.id, sample.expression, sample.image, sample.box, kind, cot, told.aus, shares)
    return face, problem


def _wanted(cot: CoT, data: DataConfig) -> bool:
    """Whether a text is as the recipe wants them."""
    if data.max_words is not None and cot.word_count > data.max_words:
        return False
    text = cot.text.casefold()
    return not any(phrase.casefold() in text for phrase in data.exclude_phrases)


def _shares(
    votes: Mapping[str, int] | None, labels: Sequence[Expression], majority: Expression
) -> tuple[float, ...] | None:
    """Shares of the votes; a single vote is an outlier (FER+ paper), and those for no label are left out."""
    if votes is None:
        return None
    kept = [count if (count := votes.get(label.value, 0)) > 1 else 0 for label in labels]
    if not any(kept):
        kept = [int(label is majority) for label in labels]
    return tuple(count / sum(kept) for count in kept)


def _fingerprint(dataset: str, faces: Sequence[TrainingFace]) -> str:
    """Of the data set and of what is said of its faces: a training that goes on must read the same."""
    digest = hashlib.sha256(dataset.encode())
    for face in faces:
        aus = dict(face.aus) if face.aus else None
        digest.update(json.dumps([face.id, face.cot.text if face.cot else None, aus, face.votes]).encode())
    return digest.hexdigest()


def _path(data: DataConfig, name: str | None) -> str:
    assert name is not None
    return located_dataset(name) if data.root is None else str(Path(data.root) / name)


@dataclass(frozen=True)
class FaceTexts:
    """The engine's text about a face, and the action units that it was written from."""

    text: str | None
    aus: AUVector | None


def _texts(path: str) -> Iterator[tuple[str, FaceTexts]]:
    """Explanations by id, of an engine's run or of what it exported."""
    if (Path(path) / "run.json").is_file():
        from expllm.cot.merged_journal import merged_journals
        from expllm.files.runs import RunFolder

        with merged_journals(RunFolder(Path(path))) as run:
            for ended in run.ended:
                record = run.outcome(ended).record
                if cot := record.get("cot"):
                    aus = record.get("aus")
                    yield ended.sample, FaceTexts(CoT.from_dict(cot).text, AUVector(aus) if aus else None)
        return
    for sample in open_dataset(path):
        if sample.text:
            yield sample.id, FaceTexts(sample.text, None if sample.aus is None else AUVector(sample.aus))


def _cot(text: str | None) -> tuple[CoT | None, str]:
    """The three parts, or None and what is wrong with the text."""
    if not text:
        return None, ""
    try:
        return CoT.parse(text), ""
    except RecordError as error:
        return None, f"its explanation is left out: {error}"
