"""`expllm cot audit`: the claims of texts in colour, each with the action unit that backs or refutes it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm.cli.ending import Ending, complain, leave, listed, of_data, of_run
from expllm.cli.figures import print_json, print_view
from expllm.core.errors import ExitCode, RecordError
from expllm.cot.ledger import Ledger
from expllm.data import Sample, open_dataset
from expllm.evals.references import explained_samples
from expllm.files.atomic import refuse_inputs
from expllm.files.runs import RunFolder
from expllm.grounding import Audit, Checked, Unread, Verdict, audit
from expllm.grounding.audit import REFUTING_VERDICTS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from expllm.cli.audit_model import AuditOrder
    from expllm.evals.model_audit import ClaimReader, ModelAudit

_STYLES: Final = {
    Verdict.SUPPORTED: "green",
    Verdict.CONTRADICTED: "bold red",
    Verdict.WRONG_SIDE: "red",
    Verdict.WRONG_PLACE: "red",
    Verdict.WRONG_DEGREE: "yellow",
    Verdict.UNSUPPORTED: "magenta",
    Verdict.NOT_MEASURABLE: "blue",
    Verdict.OUTSIDE: "bright_black",
}
_UNREAD: Final = "underline"


def audit_file(
    file: str, sample: str | None, *, as_json: bool, summary: bool, order: "AuditOrder", output: Path | None
) -> None:
    """Audits every text of a file, or of a run, that comes with action units; counts the others.

    Args:
        order: Which language model reads the claims as well, if any does.
        output: Where its replies are kept; by default in the run, or under `runs/audit`.

    Raises:
        RecordError: it carries no texts, or not the sample that was asked for.
    """
    reader = order.opened() if order.checked() else None
    samples, incomplete = _samples(file)
    totals = _Totals()
    chosen: Iterable[Sample] = _with_texts(samples, sample, totals.left_out)
    by_model = None
    if reader is not None:
        chosen = list(chosen)
        by_model = _by_model(file, chosen, order, reader, output)
    for one in chosen:
        report = audit(one.text or "", one.aus or {}, one.expression)
        totals.add(report)
        if not summary:
            _print(one, report, as_json)
    if not totals.texts:
        raise RecordError(
            "; ".join(filter(None, [_nothing(file, sample, totals.left_out), incomplete.reason]))
        )
    _print_totals(totals, by_model, as_json, summary)
    if totals.left_out:
        complain(f"{file}: not audited: {listed(totals.left_out)}")
    endings = [] if by_model is None else [_of_model(by_model)]
    leave(*endings, *([incomplete] if sample is None else []))


def _with_texts(samples: Iterable[Sample], wanted: str | None, left_out: Counter[str]) -> Iterator[Sample]:
    """Those that can be audited; the others are counted."""
    for one in samples:
        if wanted not in (None, one.id):
            continue
        if one.text and one.aus is not None:
            yield one
        else:
            left_out["no text" if not one.text else "no action units"] += 1


def _by_model(
    file: str, samples: Sequence[Sample], order: "AuditOrder", reader: "ClaimReader", output: Path | None
) -> "ModelAudit":
    """What a language model reads out of the texts, beside the rules."""
    from expllm.cli.audit_model import ask_audit_model
    from expllm.evals.claim_comparison import AuditedText
    from expllm.evals.model_audit import model_audit

    if output is not None:
        refuse_inputs(output, file)
    inside = Path(file) if RunFolder(Path(file)).exists else Path("runs") / "audit" / Path(file).stem
    texts = [AuditedText(one.id, one.text, one.aus) for one in samples if one.text and one.aus is not None]
    return model_audit(ask_audit_model(order, reader, output or inside, texts), texts)


def _of_model(found: "ModelAudit") -> Ending:
    from expllm.cli.audit_model import of_audit_models

    return of_audit_models([found])


def _print_totals(totals: "_Totals", by_model: "ModelAudit | None", as_json: bool, summary: bool) -> None:
    if as_json:
        if summary or by_model is not None:
            both = {} if by_model is None else {"audit_model": by_model.to_dict()}
            print_json({**(totals.to_dict() if summary else {}), **both})
        return
    print_view(totals.view())
    if by_model is not None:
        from expllm.cli.audit_model import model_audit_view
        from expllm.cli.cot_view import Narrow

        print_view(Narrow(model_audit_view(by_model)))


def _samples(file: str) -> tuple[Iterable[Sample], Ending]:
    """What a data set or a run of `cot make` holds, and what is not in it that might be."""
    folder = RunFolder(Path(file))
    if folder.exists:
        return explained_samples(folder.path), replace(of_run(Ledger.of(folder)), code=ExitCode.DONE)
    dataset = open_dataset(file)
    return dataset, of_data(dataset)


def _nothing(file: str, sample: str | None, left_out: Counter[str]) -> str:
    """Why nothing was audited."""
    if sample and not left_out:
        return f"{file}: no sample {sample!r} in it"
    return f"{file}: no text with action units in it{': ' if left_out else ''}{listed(left_out)}"


def _print(sample: Sample, report: Audit, as_json: bool) -> None:
    if as_json:
        print_json({"id": sample.id, **report.to_dict()})
    else:
        print_view(audit_view(sample, report))


class _Totals:
    """What all audited texts have in common."""

    def __init__(self) -> None:
        self.texts = 0
        self.refuted = 0
        self.sentences = 0
        self.unread = 0
        self.unread_texts = 0
        self.verdicts: Counter[Verdict] = Counter()
        self.left_out: Counter[str] = Counter()
        """Why samples were not audited -> how many."""

    def add(self, report: Audit) -> None:
        self.texts += 1
        self.refuted += any(checked.verdict in REFUTING_VERDICTS for checked in report.checked)
        self.verdicts.update(checked.verdict for checked in report.checked)
        self.sentences += report.sentences
        self.unread += len(report.unread)
        self.unread_texts += bool(report.unread)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        verdicts = {verdict.value: self.verdicts[verdict] for verdict in Verdict}
        return {
            "texts": self.texts, "claims": self.verdicts.total(), "verdicts": verdicts,
            "refuted_texts": self.refuted, "sentences": self.sentences, "unread": self.unread,
            "unread_texts": self.unread_texts, "left_out": dict(self.left_out),
        }  # fmt: skip

    def view(self) -> "RenderableType":
        from rich.console import Group
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
            table.add_row(f"[{_STYLES[verdict]}]{verdict.value}[/]", f"{count:,}", share)
        table.caption = (
            f"{self.refuted:,} of {self.texts:,} texts ({self.refuted / max(self.texts, 1):.1%}) "
            "claim a movement that does not take place, or not there"
        )
        table.caption_justify = "left"
        return Group(table, self._unread())

    def _unread(self) -> str:
        share = f"{self.unread / max(self.sentences, 1):.1%}"
        return (
            f"{self.unread:,} of {self.sentences:,} sentences about the face ({share}), in "
            f"{_count(self.unread_texts, 'text')}, were not read: nothing in them was checked"
        )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def audit_view(sample: Sample, report: Audit) -> "RenderableType":
    """One text with its claims in colour, and the claims below with their evidence.

    Sentences about the face that could not be read are underlined, and named below as well.
    """
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    text = Text(sample.text or "")
    for checked in report.checked:
        text.stylize(_STYLES[checked.verdict], checked.claim.start, checked.claim.end)
    for unread in report.unread:
        text.stylize(_UNREAD, unread.start, unread.end)
    lines: list[Any] = [text, Text()]
    lines += [_line(checked) for checked in report.checked]
    lines += [_unread_line(unread) for unread in report.unread]
    if report.missed:
        missed = ", ".join(f"{name} {value:.2f}" for name, value in report.missed.items())
        lines.append(Text(f"not mentioned: {missed}", style="italic"))
    lines += [Text(conflict, style="bold red") for conflict in report.label_conflicts]
    label = sample.expression.value if sample.expression else "no label"
    figures = ", ".join(
        f"{name} {value:.2f}"
        for name, value in (("precision", report.precision), ("recall", report.recall))
        if value is not None
    )
    return Panel(Group(*lines), title=f"{sample.id}: {label}", subtitle=figures or None, title_align="left")


def _unread_line(unread: Unread) -> Any:
    from rich.text import Text

    line = Text(f"{'not read':>18}  ")
    line.append(f"“{unread.text}”", style=_UNREAD)
    line.append("  nothing in this sentence was checked", style="bright_black")
    return line


def _line(checked: Checked) -> Any:
    from rich.text import Text

    line = Text(f"{checked.verdict.value:>18}  ", style=_STYLES[checked.verdict])
    line.append(f"“{checked.claim.text}”", style="default")
    line.append(f"  {checked.reason}", style="bright_black")
    return line
