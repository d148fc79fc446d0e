"""What `expllm cot show` prints: everything that was asked and answered for a sample, and how it ended."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from expllm.cli.cot_view import STYLES, Narrow, audited_table, text, usage_lines
from expllm.core.records import CoT
from expllm.cot.explanation import CotRecord
from expllm.cot.journal import Call, JournalVerdict
from expllm.cot.ledger import SampleLedger, read_sample
from expllm.cot.merged_journal import merged_journals
from expllm.cot.transcript import LoggedCall, TranscriptEvent, history
from expllm.cot.usage import WRITTEN
from expllm.files.runs import RunFolder


def sample_view(run: RunFolder, sample: str | None = None) -> RenderableType:
    """Every call with its prompt and answer, every verdict with its problems, the outcome, what it took.

    Args:
        run: The run; it may be at work.
        sample: An id; the first sample of the data set by default.

    Raises:
        UsageError: the run has not begun such a sample.
        RunError: a journal cannot be read.
    """
    ledger, talks = _read(run, sample)
    parts: list[RenderableType] = [text(ledger.sample, "bold")]
    for number, (talk, again) in enumerate(talks):
        if again:
            parts.append(text("Tried again without the label", "bold"))
        elif number:
            parts.append(text("The same sample at another worker of the cluster", "bold"))
        parts += _talk(talk, "Draft" if again else "Round")
    return Narrow([*parts, *_ending(ledger)])


def sample_figures(run: RunFolder, sample: str | None = None) -> dict[str, Any]:
    """The same as JSON values: the record, what it took, and `talks`, the events of each worker in order.

    Raises:
        UsageError, RunError: as `sample_view`.
    """
    ledger, talks = _read(run, sample)
    return {**ledger.to_dict(), "talks": [[_plain(event) for event in talk] for talk, _ in talks]}


def _plain(event: TranscriptEvent) -> dict[str, Any]:
    if isinstance(event, LoggedCall):
        return {"kind": "call", "tried_again": event.again, **asdict(event.call)}
    return {"kind": "verdict", **asdict(event)}


def _read(
    run: RunFolder, sample: str | None
) -> tuple[SampleLedger, list[tuple[list[TranscriptEvent], bool]]]:
    """A sample's account, and what was said at each worker that had to do with it; whether by second pass."""
    with merged_journals(run) as journals:
        name = journals.identify(sample)
        talks = [(history(reader, name), reader is journals.second) for reader in journals.readers]
        return read_sample(journals, name), [(talk, again) for talk, again in talks if talk]


def _talk(events: list[TranscriptEvent], word: str) -> Iterator[RenderableType]:
    shown = None
    for event in events:
        number = event.call.round if isinstance(event, LoggedCall) else event.round
        if number != shown:
            shown = number
            yield Text(f"\n{word} {number}", "bold underline")
        yield from _call(event) if isinstance(event, LoggedCall) else _verdict(event)


def _call(asked: LoggedCall) -> Iterator[RenderableType]:
    call = asked.call
    yield Text(f"\n{call.step}", "bold cyan")
    yield _indented(call.prompt, "dim")
    if call.failure:
        again = "; tried again later" if asked.again else ""
        said = f" ({call.text})" if call.text else ""
        yield _indented(f"no answer: {call.failure}{said}{again}", "red")
    else:
        yield _indented(call.text or "(an empty answer)")
    yield _indented(_took(call), "dim italic")


def _took(call: Call) -> str:
    """Who answered, and what it took, in one line."""
    tokens = None
    if call.prompt_tokens is not None and call.completion_tokens is not None:
        tokens = f"{call.prompt_tokens:,} + {call.completion_tokens:,} tokens"
    attempts = None if call.attempts <= 1 else f"{call.attempts} attempts"
    cost = None if call.cost is None else f"{call.cost:.6f} USD"
    if call.failure is None:
        tokens, cost = tokens or "tokens unknown", cost or "price unknown"
    marks = ("refused" if call.refused else None, "from the cache" if call.cached else None)
    finish = None if call.finish in (None, "stop") else f"ended by {call.finish}"
    parts = (call.model, tokens, cost, f"{call.seconds:.2f} s", attempts, finish, *marks)
    return ", ".join(part for part in parts if part)


def _verdict(verdict: JournalVerdict) -> Iterator[RenderableType]:
    counts = verdict.detail.get("audit")
    if counts is not None:
        yield text(f"  -> {verdict.step}, audited: {_counted(counts)}", "dim")
    if verdict.step in WRITTEN:
        return
    by = verdict.detail.get("by")
    judge = f" by {by}" if by else ""
    ended, style = ("passed", "green") if verdict.passed else ("did not pass", "yellow")
    yield text(f"  -> {verdict.step}{judge}: {ended}", style)
    for problem in verdict.detail.get("problems") or ():
        yield Padding(text(f"- {problem}", style), (0, 0, 0, 5))


def _counted(counts: dict[str, int]) -> str:
    return (
        f"{counts['claims']:,} claims read, {counts['refuted']:,} refuted; {counts['unread']:,} of "
        f"{counts['sentences']:,} sentences about the face not read"
    )


def _ending(ledger: SampleLedger) -> Iterator[RenderableType]:
    yield Text()
    if ledger.outcome is None:
        yield Text("It has not ended yet.", "bold")
    else:
        yield from _outcome(CotRecord.from_dict(ledger.outcome.record))
    yield Text()
    yield from audited_table(ledger.audited)
    yield from (text(line, "dim") for line in usage_lines(ledger.usage))


def _outcome(record: CotRecord) -> Iterator[RenderableType]:
    why = f": {record.reason}" if record.reason else ""
    yield text(f"{record.status}{why}", f"bold {STYLES.get(record.status, '')}".strip())
    if record.cot is not None:
        for heading, part in zip(CoT.HEADINGS, record.cot.parts, strict=True):
            yield Text(f"\n{heading}", "bold")
            yield _indented(part)
        yield Text()
    named = ", ".join(record.predictions) or "nothing"
    yield text(f"label: {record.expression or 'none'}; named: {named}; label revealed: {_yes(record.hinted)}")
    if record.grounding is not None and record.recall is not None:
        yield text(
            f"Claims supported by the action units: {100 * record.grounding:.0f} % of the checkable ones; "
            f"active units mentioned: {100 * record.recall:.0f} %, weighted by intensity."
        )
    prompts = f", prompts {record.prompt_hash[:12]}" if record.prompt_hash else ""
    units = record.au_source or "nowhere"
    yield text(f"writer: {record.writer}{prompts}; action units from: {units}", "dim")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _indented(content: str, style: str = "") -> Padding:
    """A text with its line breaks."""
    return Padding(Group(*(text(line, style) for line in content.splitlines() or [""])), (0, 0, 0, 2))
