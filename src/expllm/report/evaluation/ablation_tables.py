"""Tables IV and V from the folders of `expllm eval ablate`."""

from collections.abc import Iterator, Sequence
from typing import Final

from expllm.report.evaluation.ablation_runs import AblationRun
from expllm.report.evaluation.evaluated_runs import EvalRuns
from expllm.report.evaluation.paper_tables import (
    NOTHING,
    Column,
    ReportTable,
    figure,
    percent_interval,
    published,
)

_TITLES: Final = {
    "IV": "How often labels are trained, how often explanations",
    "V": "What each part of the training is worth",
}
_FIRST: Final = {"IV": "Labels : explanations", "V": "Training"}


def ablation_tables(material: EvalRuns) -> Iterator[ReportTable]:
    """Tables IV and V, as far as variants of them were trained."""
    for key in ("IV", "V"):
        runs = [run for run in material.ablations if _trained(run, key)]
        if runs:
            yield _table(key, runs)


def _trained(run: AblationRun, key: str) -> bool:
    return any(table == key and accuracy for (table, _), (_, accuracy, _) in run.rows.items())


def _table(key: str, runs: Sequence[AblationRun]) -> ReportTable:
    paper = published()[key]
    columns = [Column(_FIRST[key]), *(Column(name, "paper") for name in paper["columns"])]
    for run in runs:
        named = f" ({run.path.name})" if len(runs) > 1 else ""
        columns += [
            Column(f"Trainings{named}", "here"),
            Column(f"Accuracy %{named}", "here"),
            Column(f"Spread %{named}", "here"),
            Column(f"Macro-F1 %{named}", "here"),
        ]
    rows = []
    for name, *figures in paper["rows"]:
        mine = [cell for run in runs for cell in _cells(run, key, name)]
        rows.append((name, *map(figure, figures), *mine))
    notes = [f"{run.about}. Spread: the standard deviation over the trainings." for run in runs]
    notes += [f"{name}: {told}" for run in runs for name, told in _told(run, key)]
    if key == "IV":
        notes.append(
            "The paper evaluates 0:1 by the conclusion of the explanation. Its figures are of RAF-DB."
        )
    return ReportTable(key, _TITLES[key], tuple(columns), tuple(rows), (False,) * len(rows), tuple(notes))


def _cells(run: AblationRun, key: str, name: str) -> Iterator[str]:
    row, accuracy, f1 = run.rows.get((key, name), (None, None, None))
    spread = ((row or {}).get("accuracy") or {}).get("spread")
    yield NOTHING if row is None else str(row["trainings"])
    yield NOTHING if accuracy is None else percent_interval(accuracy)
    yield NOTHING if spread is None else f"{100 * spread:.1f}"
    yield NOTHING if f1 is None else percent_interval(f1)


def _told(run: AblationRun, key: str) -> Iterator[tuple[str, str]]:
    for (table, name), (row, *_) in run.rows.items():
        problems = [one.get("problem") for one in row.get("seeds", [])]
        told = [text for text in (row.get("note"), *row.get("alarms", []), *problems) if text]
        if table == key and told:
            yield name, f"{'; '.join(told)}."
