"""The runs that a report is made of, read and scored again from their saved answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.core.errors import ExpllmError, UsageError
from expllm.evals.saved_answers import Answer, EvalRun, Settings
from expllm.evals.scores import RunScores, score_run
from expllm.model.shipped import OFFLINE
from expllm.report.evaluation.ablation_runs import AblationRun, is_ablation, read_ablation

TITLES: Final[Mapping[str, str]] = {
    "rafdb": "RAF-DB",
    "affectnet7": "AffectNet-7",
    "affectnet8": "AffectNet-8",
    "expw": "ExpW",
    "ferplus": "FER+",
    "fer2013": "FER-2013",
}
"""Names of data sets as papers write them."""

_STAGE: Final = re.compile(r"\d+-[\w-]+")
"""Folders of a training's stages."""
_PLACES: Final = frozenset({"model", "final", "best", "runs", "."})
"""Names of folders that do not tell a model from another."""


@dataclass(frozen=True)
class ScoredRun:
    """A run of `expllm eval` with its figures."""

    path: Path
    settings: Settings
    answers: tuple[Answer, ...]
    scores: RunScores

    @property
    def kind(self) -> str:
        """The data set's name in small letters without marks, such as `rafdb`; AffectNet with its classes."""
        stem = _split(self.settings.dataset)[0]
        kind = "".join(c for c in Path(stem).stem.casefold() if c.isalnum() or c == "+").replace("+", "plus")
        return f"affectnet{len(self.settings.truth_labels)}" if kind == "affectnet" else kind

    @property
    def dataset(self) -> str:
        """As a table's heading says it: `RAF-DB`; other data sets than the paper's with their split."""
        stem, split = _split(self.settings.dataset)
        title = TITLES.get(self.kind)
        if title and self.kind in ("rafdb", "affectnet7", "affectnet8", "expw"):
            return title
        return f"{title or Path(stem).stem} {split}".strip()

    @property
    def texts(self) -> int:
        """Answers that hold an explanation."""
        return sum(answer.text is not None for answer in self.answers)


@dataclass(frozen=True)
class EvalRuns:
    """The evaluation runs of a report."""

    runs: tuple[ScoredRun, ...]
    ablations: tuple[AblationRun, ...] = ()

    def names(self) -> dict[str, str]:
        """Digest of a model -> what the report calls it; no two have the same name."""
        found: dict[str, str] = {}
        for run in self.runs:
            name = model_name(run.settings.model)
            taken = {other for digest, other in found.items() if digest != run.settings.digest}
            if run.settings.digest not in found:
                found[run.settings.digest] = name if name not in taken else f"{name} ({run.path.name})"
        return found


def model_name(model: str) -> str:
    """What a model is called: of `runs/rafdb/model` and `runs/rafdb/2-instruct/model`, `rafdb`."""
    if model == OFFLINE:
        return "offline classifier"
    named = [part for part in Path(model).parts if part not in _PLACES and not _STAGE.fullmatch(part)]
    return named[-1] if named else model


def read_runs(paths: Sequence[Path], abstain: float | None = None) -> EvalRuns:
    """Reads the folders of runs, each once, in the order given.

    Args:
        paths: Folders of `expllm eval accuracy`, `transfer`, `cot` or `ablate`.
        abstain: As for `scores.score`.

    Raises:
        NoRun, RunError, RecordError, UsageError: a folder holds no run, or one that cannot be scored; the
            message names it.
    """
    unique = list({path.resolve(): path for path in paths}.values())
    runs = [_scored(path, abstain) for path in unique if not is_ablation(path)]
    ablations = [read_ablation(path) for path in unique if is_ablation(path)]
    if not runs and not ablations:
        raise UsageError("nothing to report: give the folder of a run of 'expllm eval'")
    return EvalRuns(tuple(runs), tuple(ablations))


def _scored(path: Path, abstain: float | None) -> ScoredRun:
    run = EvalRun(path)
    settings, answers = run.settings(), run.answers()
    try:
        return ScoredRun(path, settings, tuple(answers), score_run(settings, answers, abstain=abstain))
    except ExpllmError as error:
        raise type(error)(f"{path}: {error}") from None


def _split(dataset: str) -> tuple[str, str]:
    """Path and split of `PATH:SPLIT`."""
    stem, colon, split = dataset.rpartition(":")
    return (stem, split) if colon and stem and "/" not in split else (dataset, "")


def largest(runs: Sequence[ScoredRun]) -> Iterator[ScoredRun]:
    """Of the runs of one model on one data set and task, that with the most faces."""
    best: dict[tuple[str, str, str], ScoredRun] = {}
    for run in runs:
        key = (run.settings.digest, run.dataset, run.settings.task)
        if key not in best or len(run.answers) > len(best[key].answers):
            best[key] = run
    yield from best.values()
