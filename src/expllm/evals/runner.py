"""Asks a model about every face of a data set, and saves what it answers."""

import hashlib
import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from expllm.core.errors import MissingData
from expllm.data import Dataset, Sample
from expllm.data.dataset import NO_PICTURE
from expllm.data.drawn import lot
from expllm.evals.saved_answers import Answer, EvalRun, EvalTask, Explained, Settings
from expllm.evals.scores import check_label_sets
from expllm.files.progress import Progress
from expllm.predict.base import ModelIdentity

_PACKAGES: Final = ("expllm", "torch", "transformers", "mediapipe")
_MOST_NAMED: Final = 20
"""Missing pictures that are named; the others are counted."""


class EvaluatedModel(Protocol):
    """A model that answers about samples. Nothing heavy is loaded before the first `answer`."""

    @property
    def identity(self) -> ModelIdentity: ...

    def answer(self, samples: Sequence[Sample]) -> list[Answer]:
        """One answer a face, in their order; a picture that cannot be read is an answer with its reason."""
        ...


@dataclass(frozen=True)
class Question:
    """What a model is asked about.

    Attributes:
        dataset: The faces.
        name: What the user calls it, with its split.
        task: How it is scored.
        limit: At most so many faces, drawn by their ids; None for all.
        seed: Another one draws other faces.
        explained: How explanations are asked for, where they are.
    """

    dataset: Dataset
    name: str
    task: EvalTask = "accuracy"
    limit: int | None = None
    seed: int | None = None
    explained: Explained | None = None

    def samples(self) -> Iterator[Sample]:
        """The faces with a label, in the order of the data set.

        The first ones would be of one class where each class has its folder. So those are taken whose ids
        have the smallest SHA-256, behind the seed: the same ones every time, and a smaller limit takes some
        of them.
        """
        labelled = (sample for sample in self.dataset if sample.expression is not None)
        if self.limit is None:
            return labelled
        lots = (lot(one.id, self.seed) for one in self.dataset if one.expression)
        drawn = set(heapq.nsmallest(self.limit, lots))
        return (sample for sample in labelled if lot(sample.id, self.seed) in drawn)


def settings_of(model: EvaluatedModel, question: Question) -> Settings:
    """What a run is begun with.

    Raises:
        MissingData: no face has a label.
        UsageError: the label sets do not fit together.
    """
    who, dataset = model.identity, question.dataset
    check_label_sets(question.task, dataset.labels, who.labels)
    faces = sum(1 for _ in question.samples())
    if not faces:
        raise MissingData(f"{question.name}: no face with a label to test on")
    missing = [where for where, reason in dataset.skipped if reason.startswith(NO_PICTURE)]
    unlabelled = sum(sample.expression is None for sample in dataset)
    return Settings(
        task=question.task,
        model=who.name,
        digest=who.digest,
        dtype=who.dtype,
        boxes=bool(who.boxes),
        labels=who.labels,
        temperature=who.temperature,
        dataset=question.name,
        fingerprint=dataset.fingerprint,
        truth_labels=dataset.labels,
        limit=question.limit,
        seed=question.seed,
        explained=question.explained,
        faces=faces,
        skipped=len(dataset.skipped) - len(missing) + unlabelled,
        missing=tuple(missing[:_MOST_NAMED]),
        missing_count=len(missing),
        versions=dict(_versions()),
    )


def default_folder(model: EvaluatedModel, question: Question) -> Path:
    """`runs/eval/MODEL-DATASET-...`: another one for all that gives other answers."""
    who, dataset = model.identity, question.dataset
    parts: tuple[object, ...] = (
        who.digest, who.dtype, who.boxes, dataset.fingerprint, question.task, question.limit,
    )  # fmt: skip
    if question.explained is not None:
        parts += (question.seed, question.explained.to_json())
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
    named = "-".join((Path(who.name).name, Path(question.name).name, question.task, digest))
    return Path("runs") / "eval" / re.sub(r"[^\w.@-]+", "-", named)


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def answer_all(
    model: EvaluatedModel, question: Question, out: Path, batch_size: int = 16, *, quiet: bool = False
) -> tuple[Settings, list[Answer]]:
    """Asks about every face and saves the answers; a run that was cut goes on behind them.

    Args:
        model: Who is asked.
        question: About what.
        out: The run's folder.
        batch_size: Faces asked about, and saved, at a time.
        quiet: No progress.

    Returns:
        What the run was begun with, and its answers in the order in which they were given.

    Raises:
        RunError: the folder holds a run with other settings, or another process works on it.
        OutputError: it cannot be written.
        MissingData, UsageError: as `settings_of`.
    """
    settings = settings_of(model, question)
    run = EvalRun(out)
    with run.folder.locked():
        answers = run.begin(settings)
        known = {answer.id for answer in answers}
        open_ = (sample for sample in question.samples() if sample.id not in known)
        progress = Progress(settings.faces - len(known), shown=not quiet, doing="answering", things="faces")
        with progress:
            for batch in _saved(model, open_, run, batch_size, progress):
                answers += batch
    return settings, answers


def _saved(
    model: EvaluatedModel, samples: Iterable[Sample], run: EvalRun, size: int, progress: Progress
) -> Iterator[list[Answer]]:
    """Batches of answers that are on the disk."""
    rest, failed = iter(samples), 0
    while batch := list(islice(rest, size)):
        answers = model.answer(batch)
        run.add(answers)
        for answer in answers:
            failed += answer.status == "unreadable"
            progress.step(failed)
        yield answers
