"""What `expllm cot status` prints: a run's ledger.

Texts come from outside (a model's words, file names), so they are `Foreign`, never markup.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from expllm.core.errors import one_line
from expllm.cot.ledger import Ledger
from expllm.cot.shares import Accuracy, Share
from expllm.cot.usage import VIEWS, Audited, Verdicts, WriterUsage

_MOST_REASONS: Final = 12
"""Kinds of reasons that are listed; the others are counted."""

_LONGEST_LINE: Final = 110
"""Wider terminals get a margin, not longer lines."""

STYLES: Final = {"resolved": "green", "unresolved": "yellow", "invalid": "red"}


def ledger_view(ledger: Ledger) -> RenderableType:
    """A run in sentences and tables; each share with its 95 % interval (Wilson)."""
    return Narrow(tuple(_ledger(ledger)))


class Narrow:
    """Parts one below the other, in lines that can be read; in ASCII where the terminal has no more."""

    def __init__(self, parts: Iterable[RenderableType]) -> None:
        self._parts = Group(*parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._parts, options.update(width=min(options.max_width, _LONGEST_LINE)))


class Foreign:
    """Words from outside as they are: no markup, no control characters, nothing that the encoding lacks."""

    def __init__(self, content: str, style: str) -> None:
        self._content = one_line(content)
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._text(options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._text(options))

    def _text(self, options: ConsoleOptions) -> Text:
        ascii_only = self._content.encode("ascii", "backslashreplace").decode("ascii")
        return Text(ascii_only if options.ascii_only else self._content, style=self._style)


def _ledger(ledger: Ledger) -> Iterator[RenderableType]:
    yield text(_samples(ledger), "bold")
    if not ledger.ended:
        return
    yield _shares(ledger)
    if ledger.second_pass is not None:
        yield text(f"Tried again: the best of {ledger.second_pass.drafts} drafts without the label.", "dim")
    yield from _accuracy(ledger)
    yield from _reasons(ledger)
    yield from (text(line) for line in verdict_lines(ledger.verdicts))
    yield from audited_table(ledger.audited)
    if ledger.grounding is not None and ledger.recall is not None:
        yield text(
            f"Claims supported by the action units: {100 * ledger.grounding:.1f} % of the checkable ones; "
            f"active units mentioned: {100 * ledger.recall:.1f} %, weighted by intensity (means)."
        )
    yield Text()
    yield from (text(line) for line in usage_lines(ledger.usage))
    yield Text()
    yield from (text(line, "dim") for line in _origins(ledger))


def _samples(ledger: Ledger) -> str:
    parts = [f"{count:,} {status}" for status, count in ledger.status.items()]
    ended = f"{ledger.ended:,} samples have ended" + (f": {', '.join(parts)}" if parts else "")
    going = f"; {ledger.under_way:,} have begun and not ended" if ledger.under_way else ""
    again = ledger.second_pass
    tried = f"; {again.under_way:,} are being tried again" if again and again.under_way else ""
    failed = f"; no answer when {again.unanswered:,} were tried again" if again and again.unanswered else ""
    return f"{ledger.run}: {ended}{going}{tried}{failed}."


def _shares(ledger: Ledger) -> Table:
    table = _table("", "samples", "share", "95 % interval")
    for number, share in ledger.resolved_in_round.items():
        table.add_row(f"resolved in round {number}", *_cells(share))
    table.add_row("resolved", *_cells(ledger.resolved))
    if (again := ledger.second_pass) is not None:
        table.add_row("tried again: given the label before", *_cells(again.hinted))
        table.add_row("... unresolved before", *_cells(again.rejected))
    table.add_row("given the label", *_cells(ledger.hinted))
    table.add_row("resolved texts whose writer was given it", *_cells(ledger.hinted_resolved))
    return table


def _accuracy(ledger: Ledger) -> Iterator[RenderableType]:
    yield from (text(line) for line in accuracy_lines(ledger.first_guess))
    if ledger.by_expression:
        table = _table("label", "samples", "named at first", "resolved", "given it")
        for label, found in ledger.by_expression.items():
            shares = (_percent(share) for share in (found.first_right, found.resolved, found.hinted))
            table.add_row(label, f"{found.samples:,}", *shares)
        yield table


def accuracy_lines(first: Accuracy) -> Iterator[str]:
    """What Des2Exp named in round 1, against the labels, in sentences."""
    if first.right.of and first.right.interval is not None and first.macro_f1 is not None:
        low, high = first.right.interval
        majority = first.majority_share.value or 0.0
        yield (
            f"Before any hint the writer named the label of {_percent(first.right)} of {first.right.of:,} "
            f"faces (95 % interval {100 * low:.1f}-{100 * high:.1f} %); macro-F1 {first.macro_f1:.2f}. "
            f"Always naming {first.majority}, the commonest label, gets {100 * majority:.1f} %."
        )
        if low <= majority:
            yield f"This is not significantly better than always naming {first.majority}."
    left_out = ((first.unlabelled, "without a label"), (first.unguessed, "for which nothing was named"))
    said = [f"{count:,} {why}" for count, why in left_out if count]
    if said:
        yield f"Left out of this: {' and '.join(said)}."


def _reasons(ledger: Ledger) -> Iterator[RenderableType]:
    found = [(status, kind, n) for status, kinds in ledger.reasons.items() for kind, n in kinds.items()]
    found.sort(key=lambda reason: -reason[2])
    if not found:
        return
    table = _table("without a text because", "", "samples", right=(2,))
    for status, kind, count in found[:_MOST_REASONS]:
        table.add_row(text(status, STYLES.get(status, "")), text(kind), f"{count:,}")
    rest = sum(count for _, _, count in found[_MOST_REASONS:])
    if rest:
        table.add_row("", f"{len(found) - _MOST_REASONS} other reasons", f"{rest:,}")
    yield table
    yield from (text(f'{kind}, for example: "{said}"', "dim") for kind, said in ledger.said.items())


def verdict_lines(verdicts: Mapping[str, Verdicts]) -> Iterator[str]:
    """Each step that judges, and which views it found wrong."""
    names = {
        "units": "action units", "degrees": "degrees", "label": "the label", "readable": "unread sentences",
    }  # fmt: skip
    for step, found in verdicts.items():
        wrong = [f"{names[view]} {found.wrong[view]:,}" for view in VIEWS if found.wrong.get(view)]
        where = f" (wrong: {', '.join(wrong)})" if wrong else ""
        yield f"{step}: {found.passed:,} passed, {found.failed:,} did not{where}."


def audited_table(audited: Mapping[str, Audited]) -> Iterator[RenderableType]:
    """What the audit read in the texts of each process, refuted, and could not read."""
    if not audited:
        return
    table = _table("process", "texts", "claims read", "refuted", "sentences", "unread")
    for process, found in audited.items():
        refuted, unread = Share(found.refuted, found.claims), Share(found.unread, found.sentences)
        table.add_row(
            process, f"{found.texts:,}", f"{found.claims:,}", f"{found.refuted:,} ({_percent(refuted)})",
            f"{found.sentences:,}", f"{found.unread:,} ({_percent(unread)})",
        )  # fmt: skip
    yield table
    yield text("Sentences: those about the face. Nothing in an unread one is checked.", "dim")


def usage_lines(usage: WriterUsage) -> Iterator[str]:
    """Calls, tokens, cost and time; what nobody knows is said to be unknown."""
    if not usage.calls:
        yield "Nothing was asked."
        return
    failed = ", ".join(f"{one_line(reason)} {count:,}" for reason, count in usage.failed.items())
    yield (
        f"{calls_text(usage.calls)}, {usage.attempts:,} requests, {usage.answered:,} answers"
        + (f"; no answer: {failed}" if failed else "")
        + (f"; {usage.asked_again:,} of these were tried again" if usage.asked_again else "")
        + "."
    )
    special = [
        f"{n:,} {what}" for n, what in ((usage.cached, "from the cache"), (usage.refused, "refusals")) if n
    ]
    if special:
        yield f"Among the answers: {', '.join(special)}."
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        yield "Tokens: unknown, the endpoint does not count them."
    else:
        unknown = f", {usage.uncounted:,} answers not counted" if usage.uncounted else ""
        yield f"Tokens: {_count(usage.prompt_tokens)} in, {_count(usage.completion_tokens)} out{unknown}."
    yield cost_text(usage)
    yield f"Waiting, added up over calls that ran at the same time: {_duration(usage.seconds)}."


def calls_text(count: int) -> str:
    return f"{count:,} call" if count == 1 else f"{count:,} calls"


def cost_text(usage: WriterUsage) -> str:
    """USD; calls of unknown price are said apart, they are not free."""
    if usage.cost is None:
        return f"Cost: unknown, no price is known for {calls_text(usage.unpriced or usage.calls)}."
    known = f"Cost: {usage.cost:,.4f} USD"
    return f"{known}, and {calls_text(usage.unpriced)} of unknown price." if usage.unpriced else f"{known}."


def _origins(ledger: Ledger) -> Iterator[str]:
    yield f"writer: {names_text(ledger.writers)}; answered by: {names_text(ledger.answered_by) or 'no model'}"
    yield f"action units from: {names_text(ledger.au_sources) or 'nowhere'}"
    if ledger.prompt_hashes:
        yield f"prompts: {names_text({name[:12]: n for name, n in ledger.prompt_hashes.items()})}"
    if ledger.refusals:
        yield f"refusals in ended samples: {ledger.refusals:,}"


def names_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{one_line(name)} ({count:,})" for name, count in counts.items())


def _cells(share: Share) -> tuple[str, str, str]:
    """A share as the cells of a row: how many, percent, interval."""
    low, high = share.interval or (0.0, 0.0)
    interval = f"{100 * low:.1f}-{100 * high:.1f} %" if share.of else ""
    return f"{share.count:,} of {share.of:,}", _percent(share), interval


def _percent(share: Share) -> str:
    return "-" if share.value is None else f"{100 * share.value:.1f} %"


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def _table(*headings: str, right: tuple[int, ...] | None = None) -> Table:
    """A table whose first column holds words and the others figures, unless `right` says which do."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for number, heading in enumerate(headings):
        figures = number in right if right is not None else number > 0
        table.add_column(heading, justify="right" if figures else "left", overflow="fold")
    return table


def text(content: str, style: str = "") -> RenderableType:
    """A line that may hold words from outside."""
    return Foreign(content, style)
