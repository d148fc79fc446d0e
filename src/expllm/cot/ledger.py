"""The ledger of a run: outcomes, quality and cost, counted from its journals."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from expllm.cot.journal import WITHOUT_ANSWER, SampleOutcome
from expllm.cot.merged_journal import Merged, add_up, merged_journals
from expllm.cot.shares import Accuracy, Share, most_frequent, reason_kind, server_message
from expllm.cot.usage import Audited, Verdicts, WriterUsage, read_audited, read_usage, read_verdicts
from expllm.files.runs import RunFolder


@dataclass(frozen=True, slots=True)
class ByExpression:
    """The ended samples of one label.

    Attributes:
        first_right: Named right in round 1, which nobody has helped.
        resolved: With a checked text.
        hinted: Told the label on the way.
    """

    samples: int
    first_right: Share
    resolved: Share
    hinted: Share

    def to_dict(self) -> dict[str, Any]:
        shares = {name: getattr(self, name).to_dict() for name in ("first_right", "resolved", "hinted")}
        return {"samples": self.samples, **shares}


@dataclass(frozen=True, slots=True)
class TriedAgain:
    """The second pass of a run: drafts that were written without the label.

    Attributes:
        drafts: About each sample, at most so many as a pass had; None where none has ended.
        hinted: Resolved now, out of those that were resolved with the label and that have ended again.
        rejected: The same of those that nothing had passed of.
        unanswered: Ended again on a call that failed, or at a filter: nothing is known of them.
        under_way: Begun again and not ended.
    """

    drafts: int | None
    hinted: Share
    rejected: Share
    unanswered: int
    under_way: int

    def to_dict(self) -> dict[str, Any]:
        shares = {name: getattr(self, name).to_dict() for name in ("hinted", "rejected")}
        return {
            "drafts": self.drafts, **shares, "unanswered": self.unanswered, "under_way": self.under_way,
        }  # fmt: skip


@dataclass(frozen=True)
class Endings:
    """How the samples of a run ended, read from their records alone.

    Attributes:
        run: Name of its folder.
        ended: Samples that have ended.
        status: Status -> samples.
        resolved: Resolved out of ended.
        resolved_in_round: Round -> resolved in it, out of ended; without those of the second pass.
        second_pass: How samples ended that were tried again; None where none was.
        hinted: Ended samples that were told the label, out of those that have one; less those that the
            second pass resolved without it.
        hinted_resolved: Resolved texts whose writer was told the label.
        first_guess: What Des2Exp named in round 1, before any hint, against the labels.
        by_expression: The same and more for each label, the most frequent first.
        reasons: Status -> kind of reason -> samples.
        said: Kind of reason -> what the server said of one of its samples, where it said anything.
        refusals: Refusals in ended samples.
        writers, prompt_hashes, au_sources: Name -> ended samples.
        models: Model named in the records -> ended samples.
        grounding: Mean share of a resolved text's claims supported by the action units, 0-1.
        recall: Mean share of the active units, weighted by intensity, that a resolved text tells, 0-1.
    """

    run: str
    ended: int
    status: dict[str, int]
    resolved: Share
    resolved_in_round: dict[int, Share]
    second_pass: TriedAgain | None
    hinted: Share
    hinted_resolved: Share
    first_guess: Accuracy
    by_expression: dict[str, ByExpression]
    reasons: dict[str, dict[str, int]]
    said: dict[str, str]
    refusals: int
    writers: dict[str, int]
    models: dict[str, int]
    prompt_hashes: dict[str, int]
    au_sources: dict[str, int]
    grounding: float | None
    recall: float | None

    @classmethod
    def read(cls, journals: Merged) -> Self:
        """Counts journals that are open."""
        tally = _Tally()
        for row in journals.rows(_COLUMNS):
            tally.add(*row)
        return cls(
            run=journals.run.path.resolve().name, ended=len(journals.ended), **tally.figures(),
            second_pass=read_second_pass(journals), **cls._beside(journals),
        )  # fmt: skip

    @classmethod
    def _beside(cls, journals: Merged) -> dict[str, Any]:  # noqa: ARG003 - for those that count more
        """What is counted from other tables than that of the records."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """JSON values; each share with its 95 % interval."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True)
class Ledger(Endings):
    """The account of a run: how its samples ended, and what that took.

    Attributes:
        under_way: Samples that have begun and not ended.
        verdicts: Step -> verdicts.
        audited: Process -> claims read, refuted and unread in the texts that it wrote.
        usage: Calls, tokens, cost.
        answered_by: Model that answered, as it named itself -> calls.
    """

    under_way: int
    verdicts: dict[str, Verdicts]
    audited: dict[str, Audited]
    usage: WriterUsage
    answered_by: dict[str, int]

    @classmethod
    def of(cls, run: RunFolder) -> Self:
        """Counts a run, all its journals together; also while it works.

        Raises:
            RunError: a journal cannot be read.
        """
        with merged_journals(run) as journals:
            return cls.read(journals)

    @classmethod
    def _beside(cls, journals: Merged) -> dict[str, Any]:
        return {
            "under_way": journals.under_way(),
            "verdicts": read_verdicts(journals),
            "audited": read_audited(journals),
            "usage": read_usage(journals),
            "answered_by": most_frequent(add_up(journals.grouped(_MODELS))),
        }


@dataclass(frozen=True)
class SampleLedger:
    """The account of one sample.

    Attributes:
        outcome: How it ended; None while it is under way.
        usage: Its calls, tokens, cost.
        verdicts: Step -> verdicts.
        audited: Process -> claims read, refuted and unread in the texts that it wrote.
        answered_by: Model that answered -> calls.
    """

    sample: str
    outcome: SampleOutcome | None
    usage: WriterUsage
    verdicts: dict[str, Verdicts]
    audited: dict[str, Audited]
    answered_by: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the record, and what it took."""
        record = None if self.outcome is None else self.outcome.record
        counted = {
            "usage": self.usage, "verdicts": self.verdicts, "audited": self.audited,
            "answered_by": self.answered_by,
        }  # fmt: skip
        return {"sample": self.sample, "record": record} | {n: _plain(v) for n, v in counted.items()}


def read_second_pass(journals: Merged) -> TriedAgain | None:
    """Counts the samples that were tried again."""
    if journals.second is None:
        return None
    query = f"SELECT sample, status, {WITHOUT_ANSWER}, json_extract(record, '$.drafts') FROM outcomes"
    again = {sample: ending for sample, *ending in journals.second.db.execute(query)}
    counts: Counter[tuple[str, bool]] = Counter()
    for reader in journals.readers:
        if reader is journals.second:
            continue
        for sample, status in reader.db.execute("SELECT sample, status FROM outcomes"):
            now, unanswered, _ = again.get(sample, ("", True, None))
            if not unanswered:
                counts["hinted" if status == "resolved" else "rejected", now == "resolved"] += 1

    def share(before: str) -> Share:
        return Share(counts[before, True], counts[before, True] + counts[before, False])

    return TriedAgain(
        drafts=max((drafts for _, _, drafts in again.values()), default=None),
        hinted=share("hinted"), rejected=share("rejected"),
        unanswered=sum(bool(unanswered) for _, unanswered, _ in again.values()),
        under_way=len(journals.second.begun()),
    )  # fmt: skip


def sample_ledger(run: RunFolder, sample: str) -> SampleLedger:
    """Counts one sample of a run.

    Raises:
        UsageError: the run has not begun such a sample.
        RunError: a journal cannot be read.
    """
    with merged_journals(run) as journals:
        return read_sample(journals, journals.identify(sample))


def read_sample(journals: Merged, sample: str) -> SampleLedger:
    """Counts one sample of journals that are open."""
    ended = journals.find(sample)
    models = add_up(journals.grouped(_MODELS.replace("WHERE", "WHERE sample = ? AND"), (sample,)))
    return SampleLedger(
        sample,
        None if ended is None else journals.outcome(ended),
        read_usage(journals, sample),
        read_verdicts(journals, sample),
        read_audited(journals, sample),
        most_frequent(models),
    )


def _plain(value: Any) -> Any:
    """JSON values of what a ledger holds."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value.to_dict() if hasattr(value, "to_dict") else value


_FIELDS: Final = (
    "expression predictions[0] rounds hinted refusals writer model prompt_hash au_source grounding recall "
    "drafts"
).split()
_COLUMNS: Final = ", ".join(["status", "reason", *(f"json_extract(record, '$.{name}')" for name in _FIELDS)])
_MODELS: Final = (
    "SELECT model, COUNT(*) FROM calls WHERE failure IS NULL AND model IS NOT NULL GROUP BY model"
)


class _Tally:
    """Counts that grow with each ended sample; memory does not."""

    def __init__(self) -> None:
        self.status: Counter[str] = Counter()
        self.rounds: Counter[int] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.flags: Counter[str] = Counter()
        self.labels: dict[str, Counter[str]] = defaultdict(Counter)
        self.reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self.said: dict[str, str] = {}
        self.names: dict[str, Counter[str]] = defaultdict(Counter)
        self.sums: dict[str, list[float]] = {"grounding": [0, 0.0], "recall": [0, 0.0]}

    def add(
        self, status: str, reason: str | None, label: str | None, guess: str | None, rounds: int | None,
        hinted: int | None, refusals: int | None, writer: str | None, model: str | None, prompts: str | None,
        source: str | None, grounding: float | None, recall: float | None, drafts: int | None,
    ) -> None:  # fmt: skip
        resolved = status == "resolved"
        self.status[status] += 1
        self.flags["refusals"] += refusals or 0
        if resolved:
            if drafts is None:
                self.rounds[rounds or 0] += 1
            self.flags["hinted_resolved"] += bool(hinted)
            self._mean("grounding", grounding)
            self._mean("recall", recall)
        else:
            kind = reason_kind(reason)
            self.reasons[status][kind] += 1
            if said := server_message(reason):  # the same one whatever the order of the journal
                self.said[kind] = min(said, self.said.get(kind, said))
        known = {"writers": writer, "models": model, "prompt_hashes": prompts, "au_sources": source}
        for name, value in known.items():
            if value is not None:
                self.names[name][value] += 1
        self._compare(label, guess, resolved, bool(hinted))

    def _compare(self, label: str | None, guess: str | None, resolved: bool, hinted: bool) -> None:
        if label is None:
            self.flags["unlabelled"] += 1
            return
        counts = self.labels[label]
        counts.update(samples=1, resolved=resolved, hinted=hinted)
        if guess is None:
            self.flags["unguessed"] += 1
        else:
            self.pairs[label, guess] += 1
            counts.update(guessed=1, right=label == guess)

    def _mean(self, name: str, value: float | None) -> None:
        if value is not None:
            self.sums[name][0] += 1
            self.sums[name][1] += value

    def figures(self) -> dict[str, Any]:
        ended, resolved = self.status.total(), self.status["resolved"]
        labelled = sum(counts["samples"] for counts in self.labels.values())
        hinted = sum(counts["hinted"] for counts in self.labels.values())
        return {
            "status": most_frequent(self.status),
            "resolved": Share(resolved, ended),
            "resolved_in_round": {
                number: Share(self.rounds[number], ended) for number in sorted(self.rounds)
            },
            "hinted": Share(hinted, labelled),
            "hinted_resolved": Share(self.flags["hinted_resolved"], resolved),
            "first_guess": Accuracy.of(self.pairs, self.flags["unlabelled"], self.flags["unguessed"]),
            "by_expression": dict(self._by_expression()),
            "reasons": {status: most_frequent(kinds) for status, kinds in sorted(self.reasons.items())},
            "said": dict(sorted(self.said.items())),
            "refusals": self.flags["refusals"],
            **{
                name: most_frequent(self.names[name])
                for name in ("writers", "models", "prompt_hashes", "au_sources")
            },
            **{name: total / count if count else None for name, (count, total) in self.sums.items()},
        }

    def _by_expression(self) -> Iterator[tuple[str, ByExpression]]:
        for label, c in sorted(self.labels.items(), key=lambda pair: (-pair[1]["samples"], pair[0])):
            n = c["samples"]
            first = Share(c["right"], c["guessed"])
            yield label, ByExpression(n, first, Share(c["resolved"], n), Share(c["hinted"], n))
