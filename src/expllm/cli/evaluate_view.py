"""What `expllm eval` prints: figures with their intervals, alarms, classes; two runs beside each other."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from expllm.cli.cot_view import Foreign, Narrow
from expllm.evals.metrics.bootstrap import Interval
from expllm.evals.metrics.classification import COMMON
from expllm.evals.scores import RunComparison, RunScores

if TYPE_CHECKING:
    from expllm.evals.metrics.calibration import Temperature

_MOST_NAMED: Final = 12
"""Pictures that are named; all of them stand in scores.json."""


def scores_view(scores: RunScores, run: Path) -> RenderableType:
    """All figures of a run; shares in percent."""
    return Narrow(tuple(_scores(scores, run)))


def _scores(scores: RunScores, run: Path) -> Iterator[RenderableType]:
    asked = scores.settings
    yield Foreign(f"{asked.model} on {asked.dataset}: {scores.figures.rows:,} faces ({asked.task})", "bold")
    yield from (Foreign(f"ALARM: {line}", "bold red") for line in scores.alarms)
    yield _figures(scores)
    yield _classes(scores)
    yield from (Foreign(line, "yellow") for line in _left_out(scores))
    yield Foreign(f"saved in {run}: 'expllm eval rescore {run}' prints this again without the model", "")


def _figures(scores: RunScores) -> Table:
    found, sure = scores.figures, scores.intervals
    table = table_of(("figure", False), ("%", True), ("95 % interval", True))
    rows: tuple[tuple[str, Interval], ...] = (
        ("accuracy", sure.accuracy),
        ("balanced accuracy", sure.balanced_accuracy),
        ("macro-F1", sure.macro_f1),
    )
    for name, interval in rows:
        table.add_row(name, percent_cell(interval.estimate), bounds(interval))
    few = [each.support for each in found.classes if 0 < each.support < COMMON]
    if few and found.balanced_accuracy_common is not None:
        recall = percent_cell(found.balanced_accuracy_common)
        table.add_row(f"balanced accuracy, classes of {COMMON} faces or more", recall, "")
    table.add_row(f"always {scores.labels[found.majority]}", percent_cell(found.majority_share), "")
    if found.unanswered and found.accuracy_answered is not None:
        table.add_row("accuracy of the answered", percent_cell(found.accuracy_answered), "")
    if scores.before is not None:
        table.add_row("calibration error", percent_cell(scores.before.error), "")
    if scores.after is not None:
        warm = f"at temperature {scores.settings.temperature:.3g}"
        table.add_row(f"calibration error {warm}", percent_cell(scores.after.error), "")
    if scores.risk is not None:
        table.add_row("area under risk over coverage", percent_cell(scores.risk.area), "")
    if (kept := scores.abstaining) is not None:
        table.add_row(f"coverage, answers from {kept.threshold:g}", percent_cell(kept.coverage), "")
        right = kept.accuracy
        shown = ("-", "") if right is None else (percent_cell(right.estimate), bounds(right))
        table.add_row("accuracy of what is answered then", *shown)
    return table


def _classes(scores: RunScores) -> Table:
    table = table_of(
        ("class", False), ("faces", True), ("answered", True), ("precision %", True), ("recall %", True),
        ("F1 %", True),
    )  # fmt: skip
    for label, each in zip(scores.labels, scores.figures.classes, strict=True):
        shares = (each.precision, each.recall, each.f1)
        table.add_row(label, f"{each.support:,}", f"{each.answered:,}", *map(percent_cell, shares))
    return table


def _left_out(scores: RunScores) -> Iterator[str]:
    """What has no answer, or does not count, and why."""
    asked, rows = scores.settings, scores.figures.rows
    if scores.open:
        yield f"the run was cut: {scores.open:,} of {asked.faces:,} faces were not asked about"
    if scores.no_face:
        yield f"no face was measured in {_of(scores.no_face, asked.faces)}: they count as wrong"
    if scores.no_label:
        yield f"no label can be read in {_of(scores.no_label, asked.faces)} answers: they count as wrong"
    if scores.unreadable:
        yield f"unreadable: {_of(len(scores.unreadable), asked.faces)}: they count as wrong"
        yield from (f"  {name}: {reason}" for name, reason in scores.unreadable[:_MOST_NAMED])
        if len(scores.unreadable) > _MOST_NAMED:
            yield f"  and {len(scores.unreadable) - _MOST_NAMED:,} more: see scores.json"
    if asked.missing_count:
        named = ", ".join(asked.missing[:_MOST_NAMED])
        yield f"missing pictures, not counted: {asked.missing_count:,}, such as {named}"
    if asked.skipped:
        yield f"left out by the data set's own rules, not counted: {asked.skipped:,} rows"
    for label, count in scores.dropped.items():
        yield f"left out, as the model was not trained on {label}: {count:,} of {asked.faces:,} faces"
    for label, count in scores.outside.items():
        yield f"answered with {label}, which the data set does not have: {_of(count, rows)}: wrong"


def comparison_view(found: RunComparison, runs: Sequence[Path]) -> RenderableType:
    """Two runs on the same faces."""
    table = table_of(("run", False), ("accuracy %", True), ("right alone", True))
    for path, share, alone in (
        (runs[0], found.first, found.test.only_first),
        (runs[1], found.second, found.test.only_second),
    ):
        table.add_row(Foreign(str(path), ""), percent_cell(share), f"{alone:,}")
    surely = "differ" if found.test.p < 0.05 else "do not differ surely"
    p = f"p = {found.test.p:.3g}" if found.test.p >= 0.001 else "p < 0.001"
    lines = [f"McNemar's test ({found.test.method}): {p}: the runs {surely} at the level of 5 %"]
    for number, left in enumerate((found.only_first_run, found.only_second_run)):
        if left:
            lines.append(f"not compared: {left:,} faces of {runs[number]}")
    return Narrow(
        (
            Foreign(f"{found.rows:,} faces of both runs", "bold"),
            table,
            *(Foreign(line, "") for line in lines),
        )
    )


def temperature_lines(found: "Temperature") -> Iterator[str]:
    """What was fitted, in sentences."""
    direction = "less" if found.value > 1 else "more"
    yield (
        f"temperature {found.value:.4g}, fitted on {found.rows:,} faces: the model is made {direction} sure, "
        f"its likelihood goes from {found.nll_before:.4f} to {found.nll_after:.4f} nats"
    )
    if found.at_a_bound:
        yield "WARNING: the temperature is at its bound: the model is right always, or hardly ever"


def table_of(*columns: tuple[str, bool]) -> Table:
    """A plain table, from the heading of each column and whether it stands at the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading, right in columns:
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table


def percent_cell(share: float | None) -> str:
    """A share with one decimal; a dash for none."""
    return "-" if share is None else f"{100 * share:.1f}"


def bounds(interval: Interval) -> str:
    """The interval of a share, in percent."""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _of(count: int, whole: int) -> str:
    share = 100 * count / whole
    return f"{count:,} of {whole:,} faces ({f'{share:.2g}' if share < 99.5 else '100'} %)"
