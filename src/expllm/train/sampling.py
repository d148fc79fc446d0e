"""Sampling of an epoch: which example for which task, as a function of seed and epoch.

Nothing here depends on earlier draws, on the process or on a hash: to resume is to count. Each choice has a
Philox stream of its own, keyed by its purpose, the seed and the epoch; a sample's task is told by the number
at the sample's place in such a stream.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from expllm.core.conversations import Task
from expllm.core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEGABATCH: Final = 50
"""So many batches are sorted by length together: few enough that an epoch stays mixed."""

_ORDER, _TASK, _CLASS, _BATCH = range(4)  # purposes of the streams


@dataclass(frozen=True)
class Mixture:
    """How often a sample with an explanation trains the label alone, and how often explanation and label.

    Raises:
        UsageError: a share is negative, or they do not sum to 1.
    """

    label: float
    explanation: float

    def __post_init__(self) -> None:
        fine = self.label >= 0 and self.explanation >= 0 and abs(self.label + self.explanation - 1) <= 1e-9
        if not fine:  # NaN is not either
            raise UsageError(
                f"a mixture of {self.label} labels and {self.explanation} explanations: the shares must be "
                "0 or more and sum to 1"
            )


PAPER_MIXTURES: Final = (
    Mixture(1, 0),
    Mixture(0.8, 0.2),
    Mixture(0.75, 0.25),
    Mixture(0.67, 0.33),
    Mixture(0, 1),
)
"""The ratios of the paper's Table IV; 0.75 to 0.25 gave the best labels."""


@dataclass(frozen=True, slots=True)
class SampleDraw:
    """One sample for one task.

    Attributes:
        index: Number of the sample in its data set.
        repeat: How often it was drawn before in this epoch: 0, unless classes are balanced. Whoever changes
            the picture at random needs it, or copies of a face would all be changed alike.
    """

    index: int
    task: Task
    repeat: int = 0


@dataclass(frozen=True)
class Counts:
    """How the samples of an epoch were used.

    Attributes:
        label, explanation, caption: Draws for each task.
        fell_back: Draws, counted in `label`, that would have been an explanation's if the sample had one.
        left_out: Draws that are missing from the plan: no explanation, and labels are not trained.
    """

    label: int = 0
    explanation: int = 0
    caption: int = 0
    fell_back: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class EpochPlan:
    """The draws of one epoch, in order, and what became of its samples."""

    draws: tuple[SampleDraw, ...]
    counts: Counts


def plan(
    count: int,
    mixture: Mixture | None,
    seed: int,
    epoch: int,
    *,
    explained: Sequence[bool] | None = None,
    order: Sequence[int] | None = None,
) -> EpochPlan:
    """One epoch: every sample once, in an order drawn anew, each for a task drawn by the mixture.

    A sample without an explanation trains its label instead, where the mixture trains labels at all, and is
    left out where it does not; `EpochPlan.counts` tells.

    Args:
        count: Samples of the data set.
        mixture: None where every sample is a caption (stage 1).
        seed: 0 or more.
        epoch: From 0.
        explained: Whether a sample has an explanation, [count]; None: all have.
        order: The samples to draw, where it is not each once: see `class_balanced`.

    Raises:
        UsageError: nothing would be drawn, or `explained` has another length.
    """
    if explained is not None and len(explained) != count:
        raise UsageError(
            f"{len(explained):,} samples are marked as explained or not, but there are {count:,}"
        )
    chosen = _stream(_ORDER, seed, epoch).permutation(count).tolist() if order is None else order
    wish = _Wishes(count, mixture, seed, epoch)
    drawn, fates = Counter[int](), Counter[str]()
    draws = []
    for index in chosen:
        wanted = wish(index, drawn[index])
        task = wanted if explained is None or explained[index] else _without_explanation(wanted, mixture)
        if task is not None:
            draws.append(SampleDraw(index, task, drawn[index]))
            fates["fell_back"] += task != wanted
        fates[task or "left_out"] += 1
        drawn[index] += 1
    if not draws:
        raise UsageError(f"none of {count:,} samples can be drawn: there are no explanations, or no samples")
    return EpochPlan(tuple(draws), Counts(**fates))


class _Wishes:
    """The task that the mixture wants for a draw, from seed, epoch, sample and repeat alone."""

    def __init__(self, count: int, mixture: Mixture | None, seed: int, epoch: int) -> None:
        self._count, self._mixture, self._key = count, mixture, (seed, epoch)
        self._chances: list[NDArray[np.float64]] = []

    def __call__(self, index: int, repeat: int) -> Task:
        if self._mixture is None:
            return "caption"
        while len(self._chances) <= repeat:
            stream = _stream(_TASK, *self._key, len(self._chances))
            self._chances.append(stream.random(self._count))
        return "label" if self._chances[repeat][index] < self._mixture.label else "explanation"


def _without_explanation(wanted: Task, mixture: Mixture | None) -> Task | None:
    if wanted != "explanation":
        return wanted
    return "label" if mixture is not None and mixture.label else None


def class_balanced(
    labels: Sequence[str], seed: int, epoch: int, *, power: float = 1.0, purpose: int = 0
) -> list[int]:
    """Numbers of samples, as many as there are, drawn with replacement so that every class is equally likely.

    Args:
        labels: The label of each sample, [samples].
        seed: 0 or more.
        epoch: From 0.
        power: How far classes are balanced, 0 to 1: a sample is drawn by the size of its class to this power
            less, so 0 draws all alike.
        purpose: Tells draws of one seed and epoch apart.

    Raises:
        UsageError: there are no samples, or one class only, or the power is out of range.
    """
    if not 0 <= power <= 1:
        raise UsageError(f"classes are balanced by a power of 0 to 1, not {power}")
    classes = [np.flatnonzero(np.asarray(labels) == label) for label in sorted(set(labels))]
    if len(classes) < 2:
        found = repr(labels[0]) if len(labels) else "none"
        raise UsageError(f"classes cannot be balanced: the data set has one class only, {found}")
    stream = _stream(_CLASS, seed, epoch, purpose)
    weights = np.array([len(members) for members in classes], float) ** (1 - power)
    chosen = stream.choice(len(classes), size=len(labels), p=weights / weights.sum())
    places = stream.random(len(labels))
    return [
        int(classes[c][int(p * len(classes[c]))])
        for c, p in zip(chosen.tolist(), places.tolist(), strict=True)
    ]


def balanced_within(
    sets: Sequence[str], labels: Sequence[str], powers: Mapping[str, float], seed: int, epoch: int
) -> list[int]:
    """Numbers of samples: of the data sets in `powers` drawn as `class_balanced` does, of others each once.

    Args:
        sets: The data set of each sample, [samples]; each gives as many draws as it has samples.
        labels: The label of each sample, [samples].
        powers: How far the classes of a data set are balanced.
        seed: 0 or more.
        epoch: From 0.

    Raises:
        UsageError: no sample is of a data set in `powers`, or `class_balanced` refuses one.
    """
    if missing := sorted(set(powers) - set(sets)):
        there = ", ".join(sorted(set(sets)))
        raise UsageError(f"classes of {missing[0]!r} are to be balanced, but faces are of {there}")
    drawn: list[int] = []
    for number, name in enumerate(sorted(set(sets))):
        members = np.flatnonzero(np.asarray(sets) == name).tolist()
        if name in powers:
            own = [labels[index] for index in members]
            places = class_balanced(own, seed, epoch, power=powers[name], purpose=1 + number)
            members = [members[place] for place in places]
        drawn += members
    order = _stream(_ORDER, seed, epoch).permutation(len(drawn)).tolist()
    return [drawn[place] for place in order]


def batches(
    draws: Sequence[SampleDraw],
    lengths: Sequence[int],
    batch_size: int,
    seed: int,
    epoch: int,
    rank: int = 0,
    world: int = 1,
    *,
    mixed: bool = False,
) -> list[list[SampleDraw]]:
    """One process's batches of an epoch: every draw once, neighbours in length together, in a drawn order.

    All processes together take `batch_size * world` draws a step: many processes with small batches see the
    same steps as one with a large one. Where the draws cannot be shared out evenly, steps differ by one draw.
    Batches of 1 cannot differ: there the last draws, fewer than the processes, are left out of the epoch.
    The step with the longest sample comes first, so that too little memory shows at once.

    Args:
        draws: From `plan`.
        lengths: Tokens of each draw, [draws].
        batch_size: The most draws of one process in a step.
        seed: 0 or more.
        epoch: From 0.
        rank: This process.
        world: How many processes there are.
        mixed: Every step holds short and long draws in their shares, and so all tasks, and only the parts
            of a step are alike in length. Steps that learn labels alone, several in a row, undo some of what
            was learned of texts; but where each process has one part of a step, the short ones wait.

    Raises:
        UsageError: a number is out of range, or there are fewer draws than processes.
    """
    _check_shares(len(draws), len(lengths), batch_size, rank, world)
    shared = len(draws) - len(draws) % world if batch_size == 1 else len(draws)
    steps = _steps(np.asarray(lengths[:shared]), batch_size * world, _stream(_BATCH, seed, epoch), mixed)
    return [[draws[place] for place in np.array_split(step, world)[rank].tolist()] for step in steps]


def _check_shares(draws: int, lengths: int, batch_size: int, rank: int, world: int) -> None:
    """Refuses draws that cannot be shared out between the processes."""
    if batch_size < 1 or not 0 <= rank < world or lengths != draws:
        raise UsageError(
            f"no batches of {batch_size} for process {rank} of {world} from {draws:,} draws with "
            f"{lengths:,} lengths"
        )
    if draws < world:
        raise UsageError(
            f"{draws:,} draws an epoch cannot be shared between {world} batches a step: take more "
            "samples, or smaller steps"
        )


def _steps(
    lengths: "NDArray[np.int64]", step_size: int, stream: np.random.Generator, mixed: bool
) -> list["NDArray[np.int64]"]:
    """Places in `lengths`, grouped."""
    many = -(-len(lengths) // step_size)
    sizes = [len(part) for part in np.array_split(np.arange(len(lengths)), many)]
    steps: list[NDArray[np.int64]] = []
    begin = 0
    for first in range(0, many, MEGABATCH):
        group = sizes[first : first + MEGABATCH]
        places = np.arange(begin, begin + sum(group))
        places = places[np.argsort(lengths[places], kind="stable")]
        dealt = [places[start :: len(group)] for start in range(len(group))]
        steps += dealt if mixed else np.split(places, np.cumsum(group)[:-1])
        begin += sum(group)
    shuffled = [steps[number] for number in stream.permutation(many)]
    longest = max(range(many), key=lambda number: int(lengths[shuffled[number]].max()))
    shuffled[0], shuffled[longest] = shuffled[longest], shuffled[0]
    return shuffled


def _stream(*key: int) -> np.random.Generator:
    if min(key) < 0:
        raise UsageError(f"a seed and an epoch are 0 or more, not {min(key)}")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
