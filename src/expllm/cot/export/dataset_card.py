"""The data set card of an export, written from the ledger: what it is, who wrote it, how far to trust it."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from expllm.core.errors import one_line
from expllm.cot.export.card_texts import LIMITS, RIGHTS, TOLD, VERIFIED, WHAT
from expllm.cot.export.selection import Selection
from expllm.cot.ledger import Endings, TriedAgain
from expllm.cot.shares import Share
from expllm.files.atomic_folders import EXPORT_MARK


def card(selection: Selection, format_: str, files: Mapping[str, list[str]] | None = None) -> str:
    """Markdown. It depends on how the samples ended and on nothing else: no date, no time, no cost.

    Args:
        selection: What is exported.
        format_: A key of `WHAT`.
        files: Split -> files, for the head that the hub reads.
    """
    ledger, settings = Endings.read(selection.journals), selection.journals.run.settings()
    parts = [
        f"{EXPORT_MARK}\n\n# Explanations of facial expressions: {_name(settings.get('dataset'))}",
        f"{len(selection)} explanations in three parts - key observations, overall emotional interpretation, "
        "conclusion - made from facial action units by the Exp-CoT engine of expllm.",
        WHAT[format_],
        "## Counts\n\n" + "\n".join(_counts(selection, ledger)),
        "## Who wrote it\n\n" + "\n".join(_writers(ledger, settings)),
        "## How it was checked\n\n" + " ".join(_checks(ledger, settings)),
        "## How well the action units tell the label\n\n" + "\n\n".join(_accuracy(ledger)),
        f"## Rights and law\n\n{RIGHTS}",
    ]
    return _head(selection, files) + "\n\n".join(parts) + "\n"


def _name(value: Any) -> str:
    return one_line(str(value or "unnamed data set"))


def _head(selection: Selection, files: Mapping[str, list[str]] | None) -> str:
    """What the hub reads of a card."""
    if files is None:
        return ""
    data_files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in files]
    head = {
        "license": "other",
        "language": ["en"],
        "task_categories": ["image-to-text"],
        "tags": ["facial-expression-recognition", "action-units", "chain-of-thought"],
        "size_categories": [_size(len(selection))],
        "configs": [{"config_name": "default", "data_files": data_files}],
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n"


def _size(count: int) -> str:
    """The hub's own words for sizes."""
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((word for bound, word in bounds if count < bound), "1M<n<10M")


def share_text(share: Share) -> str:
    """``12 of 40, 30.0 % (95 % interval 18.1-45.4 %)``."""
    if share.value is None or share.interval is None:
        return "none"
    low, high = (100 * bound for bound in share.interval)
    interval = f"95 % interval {low:.1f}-{high:.1f} %"
    return f"{share.count} of {share.of}, {100 * share.value:.1f} % ({interval})"


def _counts(selection: Selection, ledger: Endings) -> Iterator[str]:
    yield f"* exported: {len(selection)} ({', '.join(selection.statuses)})"
    yield f"* resolved, out of all that ended: {share_text(ledger.resolved)}"
    for number, share in ledger.resolved_in_round.items():
        yield f"* resolved in round {number}: {share_text(share)}"
    if ledger.second_pass is not None:
        yield from _second_pass(ledger.second_pass)
    yield f"* resolved texts whose writer had to be told the label: {share_text(ledger.hinted_resolved)}"
    for status, kinds in ledger.reasons.items():
        for kind, count in kinds.items():
            yield f"* {status}, not in here unless said above: {count}, {one_line(kind)}"
    if len(splits := selection.splits()) > 1:
        yield f"* splits: {', '.join(f'{one_line(split)} {count}' for split, count in splits.items())}"


def _second_pass(again: TriedAgain) -> Iterator[str]:
    """What was written anew: the label chose among drafts, and no writer was told it."""
    drafts = f"the best of {again.drafts} drafts without the label (`drafts` in their records)"
    yield f"* texts with the label that were replaced by {drafts}: {share_text(again.hinted)}"
    yield f"* unresolved samples that got a text so: {share_text(again.rejected)}"


def _writers(ledger: Endings, settings: Mapping[str, Any]) -> Iterator[str]:
    yield f"* writer: {_names(ledger.writers)}"
    yield f"* model, as it named itself: {_names(ledger.models)}"
    yield f"* prompts (SHA-256): {_names(ledger.prompt_hashes) or 'none, rules write without prompts'}"
    yield f"* action units from: {_names(ledger.au_sources)}"
    asked = {name: settings.get(name) for name in ("temperature", "seed")}
    known = [f"{name} {value}" for name, value in asked.items() if value is not None]
    if known and "offline" not in ledger.writers:
        yield f"* {', '.join(known)}"
    yield "\nNumbers in brackets count the samples that ended."


def _names(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{one_line(name)} ({count})" for name, count in counts.items())


def _checks(ledger: Endings, settings: Mapping[str, Any]) -> Iterator[str]:
    how = VERIFIED.get(str(settings.get("verify")), "in a way that the run does not say")
    yield f"Each description was verified {how}."
    yield "Where the data set has a label, it had to be named."
    if "max_rounds" in settings and "hint_after" in settings:
        yield f"A sample had {settings['max_rounds']} rounds, and was told the label from round"
        yield f"{settings['hint_after'] + 1} on."
    yield "The refined text was held against the format and once more against the action units."
    if ledger.grounding is not None and ledger.recall is not None:
        yield f"On average {100 * ledger.grounding:.1f} % of a text's checkable claims are supported,"
        yield f"and a text mentions {100 * ledger.recall:.1f} % of the active units, weighted by intensity."
    yield LIMITS


def _accuracy(ledger: Endings) -> Iterator[str]:
    first = ledger.first_guess
    if not first.right.of or first.macro_f1 is None:
        yield "No label was known, so nothing could be compared."
        return
    yield "\n".join(
        [
            f"* named by the writer before any hint: {share_text(first.right)}",
            f"* macro-F1: {first.macro_f1:.3f}",
            f"* by always naming {first.majority}, the commonest label: {share_text(first.majority_share)}",
            f"* left out: {first.unlabelled} without a label, {first.unguessed} without a guess",
        ]
    )
    yield TOLD
    rows = [
        f"| {label} | {found.samples} | {share_text(found.first_right)} | {share_text(found.hinted)} |"
        for label, found in ledger.by_expression.items()
    ]
    yield "\n".join(
        ["| label | samples | named before any hint | had to be told |", "|---|---|---|---|", *rows]
    )
