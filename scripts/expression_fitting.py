"""Fitting and choosing: a multinomial logistic regression on terms of action units."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from expression_data import Array, Data, Faces, Ints, Rows
from expression_figures import figures, nll
from expression_prototypes import prototype_faces
from scipy.optimize import minimize, minimize_scalar

from expllm.core.vocabulary import ACTION_UNITS, AU_NAMES, Expression, label_set
from expllm.faces.au_classifier import ACTIONS, Coefficients, softmax, term_units, term_values

DECIMALS: Final = 4
SMILE: Final = "lip corner pull"
MAY_COST: Final = 0.006
"""The share of accuracy on FER+ valid that a better macro-F1 may cost."""
CLOSE: Final = 0.005
"""Settings whose NLL on FER+ valid differs by less count as equally good."""
MAJORITY_ONLY: Final = 99.0
"""A `sharpness` with which the majority label alone counts."""


@dataclass(frozen=True)
class Setting:
    """What validation chooses.

    Attributes:
        terms: Name of a set of `term_sets`.
        l2: Penalty on the squares of standardised coefficients, beside the mean loss of a row.
        sharpness: Power that the shares of votes are raised to.
        balance: 0 leaves the classes as frequent as they are, 1 makes them weigh alike.
        portraits: Weight of a portrait; a row of FER+ weighs 1.
        steady: Weight of a face with its traces taken away, and of one with random traces, beside the face
            as it was read.
        prototypes: Weight of all faces that the literature names, as a share of that of all others.
    """

    terms: str = "products"
    l2: float = 1e-2
    sharpness: float = 1.0
    balance: float = 0.0
    portraits: float = 0.3
    steady: float = 0.3
    prototypes: float = 0.03


@dataclass(frozen=True)
class Trial:
    """A setting, and what validation says of it; NLL after the temperature."""

    setting: Setting
    temperature: float
    accuracy: float
    macro_f1: float
    nll: float
    portraits_accuracy: float
    portraits_nll: float

    def row(self) -> str:
        values = [*asdict(self.setting).values(), *(round(x, 4) for x in list(vars(self).values())[1:])]
        return "| " + " | ".join("majority" if x == MAJORITY_ONLY else str(x) for x in values) + " |"


TRIAL_HEAD: Final = (
    "| terms | l2 | sharpness | balance | portraits | steady | prototypes | T | accuracy | macro-F1 | NLL "
    "| portraits | NLL |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def term_sets(measured: tuple[str, ...]) -> dict[str, list[str]]:
    """Named sets of terms over the actions that the reader measures."""
    actions = [action for action, columns in ACTIONS.items() if all(AU_NAMES[c] in measured for c in columns)]
    sided = [action for action in actions if len(ACTIONS[action]) == 2]
    linear = actions + [f"uneven({action})" for action in sided]
    roots = linear + [f"sqrt({action})" for action in actions]
    hinges = [f"over({action}, {knot})" for action in actions for knot in (0.15, 0.3, 0.6)]
    products = [f"sqrt({a}) * sqrt({b})" for a, b in combinations(actions, 2)]
    return {
        "linear": linear,
        "products": roots + products,
        "traces": roots + [f"trace({action})" for action in actions],
        "everything": roots + hinges + [f"trace({action})" for action in actions] + products,
    }


def rising(terms: Sequence[str]) -> Rows:
    """Which terms rise with the lip corners: [F].

    Where happiness has the largest weight of all labels in each of them, its probability never falls when a
    smile grows.
    """
    return np.array(
        [any(SMILE in factor and "uneven" not in factor for factor in term.split(" * ")) for term in terms]
    )


def fit(
    values: Array, targets: Array, weights: Array, l2: float, happy: tuple[int, Rows] | None = None
) -> tuple[Array, Array]:
    """Multinomial logistic regression on soft targets: [N, F], [N, K], [N] to [F, K] and [K].

    Convex and started at zero, so there is nothing to seed. Single precision halves the time.

    Args:
        l2: Penalty on the squares of standardised coefficients.
        happy: A label and the terms [F] in which no other label may weigh more.
    """
    mean = np.average(values, axis=0, weights=weights)
    scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    scale[scale < 1e-9] = 1.0
    scaled = ((values - mean) / scale).astype(np.float32)
    share = (weights / weights.sum())[:, None]
    features, count = values.shape[1], targets.shape[1]
    label, kept = happy or (0, np.zeros(features, bool))
    others = np.arange(count) != label
    inner = np.zeros((features, count), bool)
    inner[np.ix_(kept, others)] = True  # there, how much less than the label another one weighs

    def slopes_of(free: Array) -> Array:
        return np.where(inner, free[:, [label]] - free, free)

    def loss(flat: Array) -> tuple[float, Array]:
        slopes, offset = slopes_of(flat[:-count].reshape(features, count)), flat[-count:]
        answers = softmax((scaled @ slopes.astype(np.float32)).astype(float) + offset)
        error = (answers - targets) * share
        gradient = scaled.T @ error.astype(np.float32) + l2 * slopes
        value = -(share * targets * np.log(np.maximum(answers, 1e-12))).sum() + l2 / 2 * (slopes**2).sum()
        free = np.where(inner, -gradient, gradient)
        free[:, label] += np.where(inner, gradient, 0.0).sum(axis=1)
        return float(value), np.concatenate([free.ravel(), error.sum(axis=0)]).astype(float)

    bounds = [(0.0, None) if one else (None, None) for one in inner.ravel()] + [(None, None)] * count
    options = {"maxiter": 300, "maxcor": 20, "ftol": 1e-7}
    start = np.zeros((features + 1) * count)
    flat = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    slopes = slopes_of(flat[:-count].reshape(features, count)) / scale[:, None]
    return slopes, flat[-count:] - mean @ slopes


class Fitter:
    """Fits settings to the faces found in `data`, on action units or on raw blendshapes.

    Every face counts three times: as it was read, with its traces at zero, and with random ones, the last two
    less (`steady`). Fitted on the first alone, products of square roots hung on traces: a lowered brow in a
    still face was fear, 0.99.
    """

    def __init__(self, data: Data, count: int, measured: tuple[str, ...]) -> None:
        self.data = data.of(count)
        self.labels = label_set(count)
        self.sets = term_sets(measured)
        ferplus = self.data.train[self.data.train.read]
        people = self.data.portraits_train[self.data.portraits_train.read]
        read = ferplus + people
        self.faces = read.with_any_traces()
        self.is_portrait = np.tile(np.arange(len(read.labels)) >= len(ferplus.labels), 3)
        self.prior = np.bincount(ferplus.labels, minlength=count) / len(ferplus.labels)
        self.missing = mirrored_mean(ferplus.aus)
        self._fits: dict[Setting, tuple[Array, Array]] = {}

    def values(self, faces: Faces, terms: str) -> Array:
        """The regression's input: the terms of a set, or the 52 scores for the name ``blendshapes``."""
        if terms == "blendshapes":
            return faces.scores
        filled = np.where(np.isnan(faces.aus), self.missing, faces.aus)
        return term_values(filled, self.sets[terms])

    def fit(self, setting: Setting) -> tuple[Array, Array]:
        """Slopes [F, K] and intercepts [K], before any temperature; kept, for some settings come again."""
        if setting not in self._fits:
            self._fits[setting] = self._fit(setting)
        return self._fits[setting]

    def _fit(self, setting: Setting) -> tuple[Array, Array]:
        targets = np.eye(len(self.labels))[self.faces.labels]
        if setting.sharpness != MAJORITY_ONLY:
            votes = self.faces.votes / self.faces.votes.max(axis=1, keepdims=True)
            targets = votes**setting.sharpness
            targets /= targets.sum(axis=1, keepdims=True)
        origin = np.where(self.is_portrait, setting.portraits, 1.0)
        origin[len(origin) // 3 :] *= setting.steady
        weights = origin * (targets @ self.prior**-setting.balance)
        used = weights > 0
        rows = self.values(self.faces, setting.terms)[used], targets[used], weights[used]
        if setting.terms == "blendshapes":
            return fit(*rows, setting.l2)
        happy = (self.labels.index(Expression.HAPPINESS), rising(self.sets[setting.terms]))
        return fit(*self._with_prototypes(*rows, setting), setting.l2, happy)

    def _with_prototypes(
        self, values: Array, targets: Array, weights: Array, setting: Setting
    ) -> tuple[Array, Array, Array]:
        """The rows, and behind them the faces that the literature names."""
        aus, named = prototype_faces(self.labels, ~np.isnan(self.missing))
        more = term_values(np.where(np.isnan(aus), self.missing, aus), self.sets[setting.terms])
        share = np.full(len(more), setting.prototypes * weights.sum() / len(more))
        pairs = ((values, more), (targets, named), (weights, share))
        values, targets, weights = (np.concatenate(pair) for pair in pairs)
        return values, targets, weights

    def try_out(self, setting: Setting) -> Trial:
        """Fits, and measures on FER+ valid and the validating portraits."""
        slopes, offset = self.fit(setting)
        valid, people = (faces[faces.read] for faces in (self.data.valid, self.data.portraits_valid))
        scores = self.values(valid, setting.terms) @ slopes + offset
        heat = temperature(scores, valid.labels)
        on_valid = figures(softmax(scores / heat), valid.labels, self.labels)
        other = softmax((self.values(people, setting.terms) @ slopes + offset) / heat)
        on_people = figures(other, people.labels, self.labels)
        trial = Trial(
            setting, heat, on_valid["accuracy"], on_valid["macro_f1"], on_valid["nll"],
            on_people["accuracy"], on_people["nll"],
        )  # fmt: skip
        print(trial.row(), flush=True)
        return trial

    def coefficients(self, setting: Setting, heat: float, identity: str) -> Coefficients:
        """The model as it is written: temperature folded in, numbers rounded."""
        slopes, offset = self.fit(setting)
        terms = self.sets[setting.terms]
        units = term_units(terms)
        means = {
            au.name: float(self.missing[place]) for place, au in enumerate(ACTION_UNITS) if au.name in units
        }
        rows = np.round(slopes / heat, DECIMALS).tolist()
        return Coefficients(
            identity=identity,
            labels=self.labels,
            missing={name: round(mean, DECIMALS) for name, mean in means.items()},
            intercept=tuple(np.round(offset / heat, DECIMALS).tolist()),
            weights={term: tuple(row) for term, row in zip(terms, rows, strict=True)},
        )


def mirrored_mean(aus: Array) -> Array:
    """The mean of each unit that was measured, the same for left and right: [N, 31] to [31]."""
    measured = ~np.isnan(aus)
    count = measured.sum(axis=0)
    mean = np.where(count > 0, np.where(measured, aus, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    mirror = [AU_NAMES.index(au.mirror) for au in ACTION_UNITS]
    return np.asarray((mean + mean[mirror]) / 2)


def temperature(scores: Array, labels: Ints) -> float:
    """What to divide the scores [N, K] by so that their NLL is least."""
    best = minimize_scalar(
        lambda heat: nll(softmax(scores / heat), labels), bounds=(0.3, 3.0), method="bounded"
    )
    return round(float(best.x), 3)


def choose(fitter: Fitter) -> tuple[Trial, list[Trial]]:
    """The setting, in three steps that look at FER+ valid and the validating portraits only.

    1. Terms and penalty: most accuracy on FER+ valid among those whose NLL is `CLOSE` to the least.
    2. Sharpness and balance: most macro-F1 that costs no more than `MAY_COST` of accuracy.
    3. Weight of the portraits: least sum of the NLL on FER+ valid and on portraits.
    """
    base = Setting()
    if fitter.data.halves:  # too few faces to choose terms by: what was chosen on more
        base = replace(base, terms="everything", l2=3e-3)
        tried = [fitter.try_out(replace(base, balance=balance)) for balance in (0.0, 0.2, 0.4)]
        enough = max(trial.accuracy for trial in tried) - MAY_COST
        return max((t for t in tried if t.accuracy >= enough), key=lambda trial: trial.macro_f1), tried
    first = [
        fitter.try_out(replace(base, terms=terms, l2=l2)) for terms in fitter.sets for l2 in (1e-2, 2e-3)
    ]
    good = [trial for trial in first if trial.nll <= min(t.nll for t in first) + CLOSE]
    base = max(good, key=lambda trial: trial.accuracy).setting
    grid = [(sharpness, balance) for sharpness in (1.0, 2.5) for balance in (0.0, 0.2, 0.4)]
    second = [fitter.try_out(replace(base, sharpness=s, balance=b)) for s, b in grid]
    enough = max(trial.accuracy for trial in second) - MAY_COST
    base = max((t for t in second if t.accuracy >= enough), key=lambda trial: trial.macro_f1).setting
    third = [fitter.try_out(replace(base, portraits=weight)) for weight in (0.0, 0.1, 0.3)]
    return min(third, key=lambda trial: trial.nll + trial.portraits_nll), first + second + third
