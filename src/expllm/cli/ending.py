"""How a command ends: its exit code, and the line on stderr that says why this is not 0.

* 3: something was done, and some inputs failed; also a run over a data set in which all samples failed, as
  their answers are saved and can be looked at.
* 4: no face was found in any of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from expllm.core.errors import ExitCode, one_line

if TYPE_CHECKING:
    from expllm.cot.ledger import Ledger
    from expllm.data import Dataset
    from expllm.evals.ablation_run import VariantRun
    from expllm.evals.explanation_scores import GroundingScore
    from expllm.evals.judge.judge_scores import Judged
    from expllm.evals.saved_answers import Answer
    from expllm.evals.scores import RunScores

_MOST_REASONS: Final = 4
"""Reasons that a line names; the others are counted."""


@dataclass(frozen=True)
class Ending:
    """What a command leaves with.

    Attributes:
        code: The exit code.
        reason: Why it is not 0, or what was left out all the same; empty if there is nothing to say.
    """

    code: ExitCode = ExitCode.DONE
    reason: str = ""


def leave(*endings: Ending) -> NoReturn:
    """Prints the reasons and leaves with the first exit code that is not 0."""
    for ending in endings:
        if ending.reason:
            complain(ending.reason)
    raise typer.Exit(next((ending.code for ending in endings if ending.code), ExitCode.DONE))


def complain(line: str) -> None:
    """One line of ours on stderr."""
    with suppress(OSError):  # nobody listens: the exit code still tells
        typer.echo(f"expllm: {one_line(line)}", err=True)


def listed(counts: Mapping[str, int], said: Mapping[str, str] | None = None) -> str:
    """Reasons with their counts, the most frequent first: `no face (4), call failed: timeout (1)`.

    Args:
        counts: By reason.
        said: What a server said of one of them, by reason.
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [
        f"{reason} ({count:,}{_quoted((said or {}).get(reason))})"
        for reason, count in ordered[:_MOST_REASONS]
    ]
    rest = sum(count for _, count in ordered[_MOST_REASONS:])
    return ", ".join(parts) + (f", other reasons ({rest:,})" if rest else "")


def _quoted(said: str | None) -> str:
    return f', such as "{said}"' if said else ""


def of_data(dataset: "Dataset") -> Ending:
    """What a data set lists and no command can use: 3 if pictures are missing or rows cannot be read."""
    from expllm.data.check import sorted_out

    if not dataset.skipped:
        return Ending()
    missing, unreadable, others = sorted_out(dataset.skipped)
    counts = Counter(others)
    for name, places in (("missing", missing), ("cannot be read", unreadable)):
        if places:
            counts[f"{name}, such as {places[0][0]}: {places[0][1]}"] = len(places)
    whole = len(dataset) + len(dataset.skipped)
    line = f"{dataset.name}: {len(dataset.skipped):,} of {whole:,} rows are left out: {listed(counts)}"
    return Ending(ExitCode.SOME_INPUTS_FAILED if missing or unreadable else ExitCode.DONE, line)


def of_run(ledger: "Ledger") -> Ending:
    """Of `cot make`: samples that have no explanation, and why.

    A text that never passed its checks is an outcome as good as another, as long as others passed. A sample
    that could not be measured, or whose call failed, is a failed input.
    """
    from expllm.predict.img2au import FACELESS

    counts: Counter[str] = Counter()
    for kinds in ledger.reasons.values():
        counts.update(kinds)
    if not counts:
        return Ending()
    resolved = ledger.status.get("resolved", 0)
    faceless = sum(count for reason, count in counts.items() if reason.startswith(f"img2au: {FACELESS}"))
    failed = ledger.status.get("invalid", 0)
    failed += sum(count for reason, count in counts.items() if reason.startswith("call failed"))
    line = (
        f"{ledger.run}: {resolved:,} of {ledger.ended:,} samples have an explanation, "
        f"{counts.total():,} have none: {listed(counts, ledger.said)}; 'expllm cot show' prints each"
    )
    if not resolved:
        return Ending(ExitCode.NO_FACE if faceless == ledger.ended else ExitCode.SOME_INPUTS_FAILED, line)
    return Ending(ExitCode.SOME_INPUTS_FAILED if failed else ExitCode.DONE, line)


def all_lost(answers: "Sequence[Answer]") -> Ending | None:
    """How an evaluation ends in which not one face has an answer; None where one has."""
    lost, said = _lost(answers)
    if lost.total() < len(answers):
        return None
    code = ExitCode.NO_FACE if lost[_NO_FACE] == len(answers) else ExitCode.SOME_INPUTS_FAILED
    return Ending(code, f"not one of {len(answers):,} faces has an answer: {listed(lost, said)}")


def of_answers(scores: "RunScores", answers: "Sequence[Answer]") -> Ending:
    """Of an evaluation: faces without an answer.

    Where some have one, a picture without a face does not count as failed: the figures count it as wrong.
    """
    if nothing := all_lost(answers):
        return nothing
    lost, said = _lost(answers)
    lost += Counter({"picture missing": scores.settings.missing_count})
    if set(lost) <= {_NO_FACE}:
        return Ending()
    return Ending(ExitCode.SOME_INPUTS_FAILED, f"faces without an answer: {listed(lost, said)}")


_NO_FACE: Final = "no face found"
_NAMES: Final = {
    "unreadable": "picture unreadable", "no_face": _NO_FACE, "no_label": "no label in the answer",
}  # fmt: skip


def _lost(answers: "Sequence[Answer]") -> tuple[Counter[str], dict[str, str]]:
    """Faces without an answer by reason, and what a chat model's server said of one of each."""
    from expllm.predict.chat import unanswered

    lost: Counter[str] = Counter()
    said: dict[str, str] = {}
    for answer in answers:
        if answer.label is None:
            why, words = unanswered(answer.reason) or (_NAMES[str(answer.status)], "")
            lost[why] += 1
            if words:
                said.setdefault(why, words)
    return lost, said


def of_trainings(trainings: "Sequence[VariantRun]") -> Ending:
    """Of `eval ablate`: trainings that failed, or whose model answered nothing."""
    failed = sum(
        one.scores is None or one.scores.figures.unanswered == one.scores.figures.rows for one in trainings
    )
    if not failed:
        return Ending()
    code = ExitCode.FAILURE if failed == len(trainings) else ExitCode.SOME_INPUTS_FAILED
    return Ending(code, f"{failed:,} of {len(trainings):,} trainings failed: the table gives the reasons")


def of_texts(found: "GroundingScore") -> Ending:
    """Of `eval cot`: answers of which not one holds a text."""
    if found.texts:
        return Ending()
    return Ending(ExitCode.SOME_INPUTS_FAILED, "not one face has an explanation: nothing could be audited")


def of_judges(judges: "Sequence[Judged]") -> Ending:
    """Replies of judges that have no score."""
    incomplete = [judged for judged in judges if not judged.complete]
    if not incomplete:
        return Ending()
    parts = []
    for judged in incomplete:
        lost = {**judged.unscored, **({"not asked yet": judged.open} if judged.open else {})}
        count = sum(lost.values())
        share = "not one" if count == judged.readings else f"{judged.readings - count:,}"
        parts.append(
            f"{judged.passport.judge}: {share} of {judged.readings:,} readings has a score: "
            f"{listed(lost, judged.said)}"
        )
    return Ending(ExitCode.SOME_INPUTS_FAILED, "; ".join(parts))
