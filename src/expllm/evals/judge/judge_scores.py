"""What a judge's replies are worth: scores with intervals, what has none, how far it agrees with itself."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from expllm.evals.judge.judge_run import JudgeQuery, JudgeRun, JudgeSettings, TextPair, readings_of
from expllm.evals.judge.rubric import RUBRIC_PARTS, JudgeFile, JudgeScores
from expllm.evals.metrics.agreement import krippendorff_alpha
from expllm.evals.metrics.bootstrap import Interval, mean_interval

NO_VERDICT = "no verdict that counts in the reply"


@dataclass(frozen=True)
class Judged:
    """The Exp-CoT score of pairs of texts, by one judge.

    Attributes:
        passport: Who was asked what.
        models: What the server called the models that replied.
        pairs: How many pairs there are.
        parts: Points of each part, the mean over scored pairs; None where nothing is scored.
        score: The normalised sum, 0-1, likewise.
        totals: Normalised sum of each scored pair, by its id: the mean over its readings.
        readings: How many questions there are.
        unscored: Why a question has no score -> how many; never counted as 0.
        said: The same reason -> what the server said of one of them, where it said anything.
        open: Questions that were not asked yet.
        alpha: Krippendorff's alpha (interval) of the normalised sums, each order and time a rater.
        order_gap: Mean of the score with the reference first, less that with the candidate first.
        tokens: Asked and answered, as the server counted; None where it did not.
        cost: USD; None where a price is not known.
    """

    passport: JudgeSettings
    models: tuple[str, ...]
    pairs: int
    parts: dict[str, Interval] | None
    score: Interval | None
    totals: dict[str, float]
    readings: int
    unscored: dict[str, int]
    said: dict[str, str]
    open: int
    alpha: float | None
    order_gap: Interval | None
    tokens: tuple[int | None, int | None]
    cost: float | None

    @property
    def complete(self) -> bool:
        """Whether every question was asked and has a score."""
        return not self.open and not self.unscored

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; `totals` by pair, the judge's file left to the passport in its folder."""
        passport = {name: value for name, value in self.passport.to_dict().items() if name != "file"}
        return {**asdict(self), "passport": passport, "scored": len(self.totals)}


def judged(run: JudgeRun, pairs: Sequence[TextPair]) -> Judged:
    """Reads what a judge replied about `pairs`. Neither the judge nor the model is needed.

    Raises:
        RunError: the folder is of another version, or damaged.
        JudgeFileError: the file in the passport was tampered with.
    """
    passport = run.passport()
    file = JudgeFile.parse(passport.file, str(run.folder.settings_file))
    asked = [reading for pair in pairs for reading in readings_of(pair, passport.repeats)]
    replies = run.replies()
    scores = {name: file.read(reply) for name, reply in replies.texts.items()}
    unscored = replies.unanswered | {name: NO_VERDICT for name, one in scores.items() if one is None}
    found = {reading: scores.get(reading.id) for reading in asked}
    table = np.array([_total(file, found[reading]) for reading in asked]).reshape(
        len(pairs), 2 * passport.repeats
    )
    scored = [place for place, row in enumerate(table) if not np.isnan(row).all()]
    means = _means(pairs, found, passport.repeats, scored)
    ids = {reading.id for reading in asked}
    return Judged(
        passport=passport,
        models=replies.models,
        pairs=len(pairs),
        parts={part: mean_interval(means[:, i]) for i, part in enumerate(RUBRIC_PARTS)} if scored else None,
        score=mean_interval(np.nanmean(table[scored], 1)) if scored else None,
        totals={pairs[place].id: float(np.nanmean(table[place])) for place in scored},
        readings=len(asked),
        unscored=dict(sorted(Counter(why for name, why in unscored.items() if name in ids).items())),
        said={why: replies.said[why] for why in sorted(replies.said)},
        open=sum(reading.id not in replies.ended for reading in asked),
        alpha=krippendorff_alpha(table.T) if scored else None,
        order_gap=_order_gap(table),
        tokens=replies.tokens,
        cost=replies.cost,
    )


def all_judged(run: Path, pairs: Sequence[TextPair]) -> list[Judged]:
    """Every judge that was asked in a run's folder.

    Raises:
        RunError, JudgeFileError: as `judged`.
    """
    return [judged(one, pairs) for one in JudgeRun.all_in(run)]


def _total(file: JudgeFile, scores: JudgeScores | None) -> float:
    return math.nan if scores is None else file.total(scores)


def _means(
    pairs: Sequence[TextPair],
    found: dict[JudgeQuery, JudgeScores | None],
    repeats: int,
    scored: Sequence[int],
) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Points of each part, [scored pairs, parts]: means over the readings that have a score."""
    rows = []
    for place in scored:
        known = [one for reading in readings_of(pairs[place], repeats) if (one := found[reading])]
        rows.append(np.mean([[getattr(one, part) for part in RUBRIC_PARTS] for one in known], 0))
    return np.array(rows, dtype=np.float64)


def _order_gap(table: "np.ndarray[Any, np.dtype[np.float64]]") -> Interval | None:
    """Readings come in turn: reference first, candidate first."""
    first, second = table[:, 0::2], table[:, 1::2]
    both = ~np.isnan(first).all(1) & ~np.isnan(second).all(1)
    return mean_interval(np.nanmean(first[both], 1) - np.nanmean(second[both], 1)) if both.any() else None
