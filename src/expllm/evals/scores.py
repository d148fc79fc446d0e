"""The figures of an evaluation, from its saved answers alone: the same answers give the same figures."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from expllm.core.errors import RecordError, UsageError
from expllm.evals.label_mapping import Alignment, align
from expllm.evals.metrics.bootstrap import FigureIntervals, figure_intervals
from expllm.evals.metrics.calibration import Reliability, RiskCoverage, reliability, with_temperature
from expllm.evals.metrics.classification import (
    NO_ANSWER,
    Figures,
    Floats,
    Ints,
    McNemar,
    alarms,
    confusion_matrix,
    matrix_figures,
    mcnemar,
)
from expllm.evals.metrics.selective import Abstaining, abstaining, risk_of
from expllm.evals.saved_answers import Answer, Settings

if TYPE_CHECKING:
    from expllm.core.vocabulary import Expression


@dataclass(frozen=True, eq=False)
class RunScores:
    """What the answers of a run are worth.

    Attributes:
        settings: Of the run.
        labels: [C] labels that were scored: the model's, or (transfer) those of both sets.
        matrix: [C, C+1] truths by answers, the last column for no answer.
        figures: Of the matrix; shares of 0-1.
        intervals: 95 %, by 10,000 draws under the seed 0.
        before: Confidence and accuracy at a temperature of 1; None where nothing has probabilities.
        after: The same at the model's own temperature; None where it has none.
        alarms: Sentences that say why the accuracy means nothing.
        unreadable: (id, reason) of pictures that could not be opened, in the order of the data set.
        no_face: Faces in whose pictures no face could be measured.
        no_label: Faces whose answer has no label that can be read.
        open: Faces that were not asked about yet: the run was cut.
        dropped: Label of the data set -> rows left out, as the model was never taught it.
        outside: Label of the model -> answers that the data set does not have.
        risk: Wrong answers while the least sure ones are held back; None where nothing has probabilities.
        abstaining: What is left where the model is "uncertain" below a probability; None if not asked for.
    """

    settings: Settings
    labels: tuple[str, ...]
    matrix: Ints
    figures: Figures
    intervals: FigureIntervals
    before: Reliability | None
    after: Reliability | None
    alarms: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    no_face: int
    no_label: int
    open: int
    dropped: dict[str, int]
    outside: dict[str, int]
    risk: RiskCoverage | None = None
    abstaining: Abstaining | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; the confusion matrix as lists, in the order of `labels`."""
        classes = {label: asdict(each) for label, each in zip(self.labels, self.figures.classes, strict=True)}
        found = {**asdict(self.figures), "majority": self.labels[self.figures.majority], "classes": classes}
        return {
            "settings": self.settings.to_dict(),
            "labels": list(self.labels),
            **found,
            "intervals": asdict(self.intervals),
            "calibration_error": None if self.before is None else self.before.error,
            "calibration_error_at_temperature": None if self.after is None else self.after.error,
            "risk_coverage_area": None if self.risk is None else self.risk.area,
            "abstain": None if self.abstaining is None else self.abstaining.to_dict(),
            "confusion": self.matrix.tolist(),
            "alarms": list(self.alarms),
            "unreadable": [{"id": name, "reason": reason} for name, reason in self.unreadable],
            "no_face": self.no_face,
            "no_label": self.no_label,
            "open": self.open,
            "dropped": self.dropped,
            "outside": self.outside,
        }


def check_label_sets(task: str, truth: "Sequence[Expression]", taught: "Sequence[Expression]") -> None:
    """Whether a data set's labels can be scored with a model's, before anything is asked.

    Raises:
        UsageError: the model was never taught some (accuracy), or nearly all (transfer).
    """
    if task == "transfer":
        align(truth, taught)
    elif unknown := [label for label in truth if label not in taught]:
        common = "transfer" if len(set(truth) & set(taught)) > 1 else ""
        raise UsageError(
            f"the data set has {', '.join(unknown)}, which the model was not trained on "
            f"(it knows {', '.join(taught)}): "
            + ("'expllm eval transfer' scores what both have" if common else "give another data set")
        )


def score_run(settings: Settings, answers: Sequence[Answer], *, abstain: float | None = None) -> RunScores:
    """Everything about a run's answers.

    Args:
        abstain: Below this probability, 0-1, the model is "uncertain"; None: it always answers.

    Raises:
        RecordError: there are no answers, or none whose truth the model was taught.
        UsageError: the label sets do not fit together, or nothing can be held back.
    """
    if not answers:
        raise RecordError("no answers to score: the test set is empty, or the run was cut before the first")
    check_label_sets(settings.task, settings.truth_labels, settings.labels)
    truth = np.array([settings.truth_labels.index(answer.truth) for answer in answers])
    predicted = np.array([_place(settings, answer) for answer in answers])
    fit = _fit(settings)
    aligned = fit.apply(truth, predicted)
    matrix = confusion_matrix(aligned.truth, aligned.predicted, len(fit.common))
    logs, true = log_probabilities(settings, answers)
    # Rounded, so that equally sure answers stay equal whatever their places in the sum were.
    shares = with_temperature(logs, settings.temperature).round(12) if len(logs) else logs
    return RunScores(
        settings=settings,
        labels=fit.common,
        matrix=matrix,
        figures=matrix_figures(matrix),
        intervals=figure_intervals(matrix),
        before=_reliability(settings, answers, fit, 1.0),
        after=_after(settings, answers, fit),
        alarms=alarms(matrix, fit.common),
        unreadable=tuple((one.id, one.reason or "") for one in answers if one.status == "unreadable"),
        no_face=sum(answer.status == "no_face" for answer in answers),
        no_label=sum(answer.status == "no_label" for answer in answers),
        open=max(0, settings.faces - len(answers)),
        dropped=dict(sorted(aligned.dropped_truth.items())),
        outside=dict(sorted(aligned.outside_answers.items())),
        risk=risk_of(shares, true),
        abstaining=None if abstain is None else abstaining(shares, true, int(matrix.sum()), abstain),
    )


def _fit(settings: Settings) -> Alignment:
    """How truths and answers come together: for accuracy, over all that the model may answer."""
    if settings.task == "transfer":
        return align(settings.truth_labels, settings.labels)
    names = tuple(label.value for label in settings.labels)
    return Alignment(settings.truth_labels, settings.labels, names, {})


def _place(settings: Settings, answer: Answer) -> int:
    return NO_ANSWER if answer.label is None else settings.labels.index(answer.label)


def log_probabilities(settings: Settings, answers: Sequence[Answer]) -> tuple[Floats, Ints]:
    """Log-probabilities [M, C] at a temperature of 1, and the truths [M] as places in the model's label set.

    Faces without probabilities, or with a truth that the model was never taught, are left out.
    """
    rows = [one for one in answers if one.log_probabilities is not None and one.truth in settings.labels]
    logs = np.array([one.log_probabilities for one in rows], np.float64).reshape(-1, len(settings.labels))
    return logs, np.array([settings.labels.index(one.truth) for one in rows], np.int64)


def _after(settings: Settings, answers: Sequence[Answer], fit: Alignment) -> Reliability | None:
    return None if settings.temperature == 1.0 else _reliability(settings, answers, fit, settings.temperature)


def _reliability(
    settings: Settings, answers: Sequence[Answer], fit: Alignment, temperature: float
) -> Reliability | None:
    """Over the scored labels, as if the model had been asked about these only."""
    logs, truth = log_probabilities(settings, answers)
    if not len(logs):
        return None
    shares = fit.probabilities(with_temperature(logs, temperature))  # [M, K]
    places = np.array([_common_place(fit, label) for label in settings.labels])
    kept = (places[truth] >= 0) & np.isfinite(shares).all(1)
    return reliability(shares[kept], places[truth][kept]) if kept.any() else None


def _common_place(fit: Alignment, label: str) -> int:
    return fit.common.index(label) if label in fit.common else NO_ANSWER


@dataclass(frozen=True)
class RunComparison:
    """Two runs on the faces that both answered.

    Attributes:
        rows: Faces of both runs whose truth both models were taught.
        only_first_run: Faces of the first run that are not compared; `only_second_run` of the second.
        first: Share of right answers of the first run on these faces, 0-1; `second` of the second.
        test: McNemar's test.
    """

    rows: int
    only_first_run: int
    only_second_run: int
    first: float
    second: float
    test: McNemar

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "method": self.test.method}


def compare_runs(
    one: tuple[Settings, Sequence[Answer]], other: tuple[Settings, Sequence[Answer]]
) -> RunComparison:
    """McNemar's test between two runs, on the faces of both; no answer counts as wrong.

    Raises:
        UsageError: they have no face in common.
        RecordError: a face has another truth in the other run.
    """
    taught = set(one[0].labels) & set(other[0].labels)
    second = {answer.id: answer for answer in other[1]}
    pairs = [(answer, second[answer.id]) for answer in one[1] if answer.id in second]
    for left, right in pairs:
        if left.truth is not right.truth:
            raise RecordError(
                f"{left.id}: is {left.truth.value} in one run and {right.truth.value} in the other: "
                "compare runs over the same data set"
            )
    pairs = [pair for pair in pairs if pair[0].truth in taught]
    if not pairs:
        raise UsageError("the runs have no face in common: compare runs over the same data set")
    order = sorted(set(one[0].labels) | set(other[0].labels))
    truth = [order.index(left.truth) for left, _ in pairs]
    columns = [
        [NO_ANSWER if each.label is None else order.index(each.label) for each in side]
        for side in zip(*pairs, strict=True)
    ]
    shares = [
        math.fsum(a == t for a, t in zip(column, truth, strict=True)) / len(pairs) for column in columns
    ]
    return RunComparison(
        len(pairs), len(one[1]) - len(pairs), len(other[1]) - len(pairs), shares[0], shares[1],
        mcnemar(truth, columns[0], columns[1]),
    )  # fmt: skip
