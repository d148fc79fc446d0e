"""Usage of a run: calls, tokens, cost, and verdicts of the checks."""

import json
from collections import Counter
from dataclasses import asdict, astuple, dataclass, field, fields
from operator import add
from typing import Any, Final

from expllm.cot.merged_journal import Merged, add_up
from expllm.cot.shares import most_frequent

VIEWS: Final = ("units", "degrees", "label", "readable")
"""The three views of Result Verification (paper, section III-B4), as a verdict's detail names them; and
whether the audit could read every sentence about the face."""


@dataclass(frozen=True)
class WriterUsage:
    """Calls to the writer, with tokens, time and cost.

    Attributes:
        calls: Questions, answered or not; those that were asked again after a failure are among them.
        answered: Calls that brought an answer.
        attempts: Requests that were sent; more than calls where some had to be repeated.
        failed: Reason -> calls that brought no answer.
        cached: Answers that a cache gave.
        refused: Answers that refused the task.
        asked_again: Failed calls of samples that were later tried again.
        prompt_tokens: None where nobody counted.
        completion_tokens: None where nobody counted.
        uncounted: Answered calls whose tokens are not known.
        cost: USD of the calls of known price; None where no price is known at all, which is not zero.
        unpriced: Answered calls of unknown price, which `cost` does not hold.
        seconds: Waiting, added up over calls that ran at the same time.
    """

    calls: int = 0
    answered: int = 0
    attempts: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    cached: int = 0
    refused: int = 0
    asked_again: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    uncounted: int = 0
    cost: float | None = None
    unpriced: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts of one step: how many passed and failed, and which of the views were found wrong."""

    passed: int = 0
    failed: int = 0
    wrong: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Audited:
    """What the audit found in the texts of one process.

    Attributes:
        texts: Audited texts; refusals are not among them.
        claims: Statements about movements that were read from them.
        refuted: Those of them that the action units refute: contradicted, or of another side, half or degree.
        sentences: Sentences about the face.
        unread: Those of them that no claim could be read from: nothing in them is checked.
    """

    texts: int = 0
    claims: int = 0
    refuted: int = 0
    sentences: int = 0
    unread: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_COUNTED: Final = tuple(field.name for field in fields(Audited))[1:]
WRITTEN: Final = ("AU2Des", "Feedback Reflection")
"""Processes whose texts are audited when they come, and judged by another one."""

_SUMS: Final = {
    "calls": "COUNT(*)",
    "answered": "COUNT(*) - COUNT(failure)",
    "attempts": "SUM(attempts)",
    "cached": "SUM(cached)",
    "refused": "SUM(refused)",
    "asked_again": "SUM(retried)",
    "prompt_tokens": "SUM(prompt_tokens)",
    "completion_tokens": "SUM(completion_tokens)",
    "uncounted": "SUM(failure IS NULL AND (prompt_tokens IS NULL OR completion_tokens IS NULL))",
    "cost": "SUM(cost)",
    "unpriced": "SUM(failure IS NULL AND cost IS NULL)",
    "seconds": "SUM(seconds)",
}
_MAY_BE_UNKNOWN: Final = ("prompt_tokens", "completion_tokens", "cost")


def read_usage(journals: Merged, sample: str | None = None) -> WriterUsage:
    """What the calls of a run, or of one of its samples, took."""
    where, parameters = _only(sample)
    totals: dict[str, Any] = {name: None if name in _MAY_BE_UNKNOWN else 0 for name in _SUMS}
    for row in journals.grouped(f"SELECT {', '.join(_SUMS.values())} FROM calls {where}", parameters):
        for name, value in zip(_SUMS, row, strict=True):
            if value is not None:
                totals[name] = (totals[name] or 0) + value
    if not totals["calls"]:  # nothing was asked, and that cost nothing
        totals |= {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0}
    failures = f"SELECT failure, COUNT(*) FROM calls {where} GROUP BY failure"
    failed = add_up(journals.grouped(failures, parameters))
    del failed[None]  # those that did not fail
    return WriterUsage(**totals, failed=most_frequent(failed))


def read_verdicts(journals: Merged, sample: str | None = None) -> dict[str, Verdicts]:
    """Step -> its verdicts, in a run or on one of its samples."""
    where, parameters = _only(sample)
    views = ", ".join(f"json_extract(detail, '$.{view}')" for view in VIEWS)
    query = f"SELECT step, passed, COUNT(*), json_array({views}) FROM verdicts {where} GROUP BY 1, 2, 4"
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    wrong: dict[str, Counter[str]] = {}
    for step, good, count, found in journals.grouped(query, parameters):
        if step in WRITTEN:
            continue
        (passed if good else failed)[step] += count
        counts = wrong.setdefault(step, Counter())
        for view, value in zip(VIEWS, json.loads(found), strict=True):
            if value == 0:  # a view that nobody could judge is null
                counts[view] += count
    return {step: Verdicts(passed[step], failed[step], most_frequent(wrong[step])) for step in sorted(wrong)}


def read_audited(journals: Merged, sample: str | None = None) -> dict[str, Audited]:
    """Process -> what the audit found in its texts; a run of a version that did not count them has none."""
    where, parameters = _only(sample)
    sums = ", ".join(f"SUM(json_extract(detail, '$.audit.{name}'))" for name in _COUNTED)
    query = (
        f"SELECT step, COUNT(json_extract(detail, '$.audit.claims')), {sums} FROM verdicts {where} "
        "GROUP BY step"
    )
    found: dict[str, Audited] = {}
    for process, texts, *counts in journals.grouped(query, parameters):
        if texts:
            before = found.get(process, Audited())
            found[process] = Audited(*map(add, astuple(before), (texts, *counts)))
    return dict(sorted(found.items()))


def _only(sample: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if sample is None else ("WHERE sample = ?", (sample,))
