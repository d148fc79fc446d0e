"""`expllm cot audit`: the claims of texts in colour, each with the action unit that backs or refutes it."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import typer

from expllm.data import Sample, open_dataset
from expllm.errors import RecordError
from expllm.grounding import Audit, Checked, Verdict, audit
from expllm.grounding.audit import REFUTED

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES: Final = {
    Verdict.SUPPORTED: "green",
    Verdict.CONTRADICTED: "bold red",
    Verdict.WRONG_SIDE: "red",
    Verdict.WRONG_PLACE: "red",
    Verdict.WRONG_DEGREE: "yellow",
    Verdict.UNSUPPORTED: "magenta",
    Verdict.NOT_MEASURABLE: "blue",
    Verdict.OUTSIDE: "bright_black",
}


def audit_file(file: str, sample: str | None, *, as_json: bool, summary: bool) -> None:
    """Audits every text of a file that carries action units and texts.

    Raises:
        RecordError: it carries no texts, or not the sample that was asked for.
    """
    from rich.console import Console

    console, totals = Console(), _Totals()
    for one, report in _audits(file, sample):
        totals.add(report)
        if as_json:
            typer.echo(json.dumps({"id": one.id, **report.to_dict()}, ensure_ascii=False))
        elif not summary:
            console.print(audit_view(one, report))
    if not totals.texts:
        raise RecordError(
            f"{file}: {f'no sample {sample!r}' if sample else 'no text with action units'} in it"
        )
    if not as_json:
        console.print(totals.view())


def _audits(file: str, sample: str | None) -> Iterator[tuple[Sample, Audit]]:
    for one in open_dataset(file):
        if one.text and one.aus is not None and sample in (None, one.id):
            yield one, audit(one.text, one.aus, one.expression)


class _Totals:
    """What all audited texts have in common."""

    def __init__(self) -> None:
        self.texts = 0
        self.refuted = 0
        self.verdicts: Counter[Verdict] = Counter()

    def add(self, report: Audit) -> None:
        self.texts += 1
        self.refuted += any(checked.verdict in REFUTED for checked in report.checked)
        self.verdicts.update(checked.verdict for checked in report.checked)

    def view(self) -> "RenderableType":
        from rich.table import Table

        table = Table(
            title=f"{_count(self.texts, 'text')}, {_count(self.verdicts.total(), 'claim')}",
            title_justify="left",
        )
        table.add_column("verdict")
        table.add_column("claims", justify="right")
        table.add_column("share", justify="right")
        for verdict in Verdict:
            count = self.verdicts[verdict]
            share = f"{count / max(self.verdicts.total(), 1):.1%}"
            table.add_row(f"[{STYLES[verdict]}]{verdict.value}[/]", f"{count:,}", share)
        table.caption = (
            f"{self.refuted:,} of {self.texts:,} texts ({self.refuted / max(self.texts, 1):.1%}) "
            "claim a movement that does not take place, or not there"
        )
        table.caption_justify = "left"
        return table


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def audit_view(sample: Sample, report: Audit) -> "RenderableType":
    """One text with its claims in colour, and the claims below with their evidence."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    text = Text(sample.text or "")
    for checked in report.checked:
        text.stylize(STYLES[checked.verdict], checked.claim.start, checked.claim.end)
    lines: list[Any] = [text, Text()]
    lines += [_line(checked) for checked in report.checked]
    if report.missed:
        missed = ", ".join(f"{name} {value:.2f}" for name, value in report.missed.items())
        lines.append(Text(f"not told: {missed}", style="italic"))
    lines += [Text(conflict, style="bold red") for conflict in report.label_conflicts]
    label = sample.expression.value if sample.expression else "no label"
    figures = ", ".join(
        f"{name} {value:.2f}"
        for name, value in (("precision", report.precision), ("recall", report.recall))
        if value is not None
    )
    return Panel(Group(*lines), title=f"{sample.id}: {label}", subtitle=figures or None, title_align="left")


def _line(checked: Checked) -> Any:
    from rich.text import Text

    line = Text(f"{checked.verdict.value:>18}  ", style=STYLES[checked.verdict])
    line.append(f"“{checked.claim.text}”", style="default")
    line.append(f"  {checked.reason}", style="bright_black")
    return line
