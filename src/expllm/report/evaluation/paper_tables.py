"""The tables of a report, in the layout of the paper's Tables I to V, as plain text in cells."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from expllm.evals.metrics.bootstrap import Interval
from expllm.report.evaluation.evaluated_runs import EvalRuns, ScoredRun, largest

_Source = Literal["paper", "here", ""]
NOTHING: Final = "\N{EN DASH}"


@dataclass(frozen=True)
class Column:
    """A column, and whose figures stand in it."""

    name: str
    source: _Source = ""


@dataclass(frozen=True)
class ReportTable:
    """A table of text.

    Attributes:
        key: Number of the paper's table, or a word where the paper has none.
        title: What it says.
        columns: Their headings; the first names the row.
        rows: One cell for each column.
        own: [rows] whether a row is of the runs that are reported, not of the paper.
        notes: Sentences below it.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    own: tuple[bool, ...]
    notes: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """`Table II. Cross-data-set accuracy`."""
        return f"Table {self.key}. {self.title}" if self.key.isupper() else self.title


@cache
def published() -> dict[str, Any]:
    """The paper's figures: table -> columns and rows, accuracies in percent."""
    text = files("expllm").joinpath("assets/paper_tables.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def percent_interval(interval: Interval) -> str:
    """A share with its 95 % interval, in percent."""
    return f"{100 * interval.estimate:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}"


def figure(value: float | None, digits: int = 2) -> str:
    """A published figure."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def accuracy_tables(material: EvalRuns) -> Iterator[ReportTable]:
    """Tables I and II, as far as there are runs for them."""
    for key, task, title in (
        ("I", "accuracy", "Accuracy (%) on data sets of facial expressions"),
        ("II", "transfer", "Accuracy (%) across data sets: trained on one, tested on another"),
    ):
        runs = list(largest([run for run in material.runs if run.settings.task == task]))
        if runs:
            yield _accuracies(key, title, runs, material.names())


def _accuracies(key: str, title: str, runs: Sequence[ScoredRun], names: dict[str, str]) -> ReportTable:
    paper = published()[key]
    ours = {(run.settings.digest, run.dataset): run for run in runs}
    found = list(dict.fromkeys(run.dataset for run in runs))
    datasets = [*paper["columns"], *(name for name in found if name not in paper["columns"])]
    columns = [Column("Method"), Column("Published")]
    cells: list[tuple[_Source, str]] = []
    for name in datasets:
        cells += [("paper", name)] if name in paper["columns"] else []
        cells += [("here", name)] if name in found else []
    columns += [Column(name, source) for source, name in cells]
    rows, own = [], []
    for method, where, *figures in paper["rows"]:
        by_name = dict(zip(paper["columns"], figures, strict=True))
        told = (figure(by_name.get(name)) if source == "paper" else "" for source, name in cells)
        rows.append((method, where, *told))
        own.append(False)
    for digest in dict.fromkeys(run.settings.digest for run in runs):
        mine = [ours.get((digest, name)) if source == "here" else None for source, name in cells]
        told = ("" if run is None else percent_interval(run.scores.intervals.accuracy) for run in mine)
        rows.append((names[digest], "these runs", *told))
        own.append(True)
    return ReportTable(key, title, tuple(columns), tuple(rows), tuple(own), tuple(_faces(runs, names)))


def _faces(runs: Iterable[ScoredRun], names: dict[str, str]) -> Iterator[str]:
    """What the figures rest on."""
    for run in runs:
        rows, scores = run.scores.figures.rows, run.scores
        drawn = " (a draw from all)" if run.settings.limit else ""
        text = (
            f"{names[run.settings.digest]} on {run.dataset}: {rows:,} faces{drawn}, of which the largest "
            f"class has {share(scores.figures.majority_share)} %"
        )
        if scores.open:
            text += f"; the run was cut, {scores.open:,} faces are open"
        if dropped := sum(scores.dropped.values()):
            text += f"; {dropped:,} faces left out whose label the model was never taught"
        yield f"{text}."


def overview(material: EvalRuns) -> ReportTable:
    """Every run, with the figures that an accuracy alone hides."""
    names = material.names()
    heads: dict[str, Callable[[ScoredRun], str]] = {
        "Model": lambda run: names[run.settings.digest],
        "Data set": lambda run: run.dataset,
        "Task": lambda run: run.settings.task,
        "Faces": lambda run: f"{run.scores.figures.rows:,}",
        "Accuracy %": lambda run: percent_interval(run.scores.intervals.accuracy),
        "Largest class %": lambda run: share(run.scores.figures.majority_share),
        "Balanced accuracy %": lambda run: percent_interval(run.scores.intervals.balanced_accuracy),
        "Macro-F1 %": lambda run: percent_interval(run.scores.intervals.macro_f1),
        "Calibration error %": _calibration,
        "Risk area %": lambda run: share(run.scores.risk.area if run.scores.risk else None),
        "No answer": lambda run: f"{run.scores.figures.unanswered:,}",
    }
    if any(run.scores.abstaining for run in material.runs):
        heads |= {"Coverage %": _coverage, "Accuracy of these %": _kept}
    rows = tuple(tuple(cell(run) for cell in heads.values()) for run in material.runs)
    notes = [
        "In brackets: 95 % intervals of a bootstrap over the faces. A face without an answer is wrong.",
        "Calibration error: at the model's own temperature where one was fitted. Risk area: the mean share "
        "of wrong answers while the least sure ones are held back; smaller is better.",
    ]
    kept = next((run.scores.abstaining for run in material.runs if run.scores.abstaining), None)
    if kept:
        notes.append(
            f"Coverage: the share of faces with an answer of a probability of {kept.threshold:g} or more."
        )
    columns = tuple(Column(name) for name in heads)
    return ReportTable("all", "All runs", columns, rows, (False,) * len(rows), tuple(notes))


def _calibration(run: ScoredRun) -> str:
    found = run.scores.after or run.scores.before
    return share(None if found is None else found.error)


def _coverage(run: ScoredRun) -> str:
    return share(run.scores.abstaining.coverage if run.scores.abstaining else None)


def _kept(run: ScoredRun) -> str:
    found = run.scores.abstaining.accuracy if run.scores.abstaining else None
    return NOTHING if found is None else percent_interval(found)


def classes(run: ScoredRun) -> ReportTable:
    """One run, class by class."""
    rows = []
    for label, each in zip(run.scores.labels, run.scores.figures.classes, strict=True):
        shares = map(share, (each.precision, each.recall, each.f1))
        rows.append((label, f"{each.support:,}", f"{each.answered:,}", *shares))
    heads = ("Class", "Faces", "Answered", "Precision %", "Recall %", "F1 %")
    return ReportTable(
        "classes", "Class by class", tuple(map(Column, heads)), tuple(rows), (False,) * len(rows)
    )
