"""Readings over time: smoothed without delay, blinks bridged, and what a face does at rest taken off.

All functions take times in seconds, rising but at any distances, and values with NaN where nothing was read.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGMA: Final = 0.04
"""Seconds: standard deviation of the Gaussian that smooths readings, to both sides alike. It takes as much
jitter away as MediaPipe's own smoothing of videos, which lags by a frame."""

CLOSED: Final = 0.15
"""Closing of an eye from which it blinks."""

BEFORE_A_BLINK, AFTER_A_BLINK = 0.1, 0.16
"""Seconds beside a blink in which what it disturbs is not read: brows read up to 0.46 there. Lids open more
slowly than they close: with 0.1 on both sides one of 12 apexes of rendered heads was in a blink's end."""

LONGEST_BLINK: Final = 0.7
"""Seconds of closed eyes that are still a blink."""

LEAST_ROOM: Final = 0.5
"""Room above rest that readings are stretched from, at least: brows that read 0.85 at rest would have their
noise stretched sevenfold."""

HELD: Final = 0.3
"""Resting value above which a held expression may have been taken for rest."""


def smoothed(
    times: "NDArray[np.float64]", values: "NDArray[np.float32]", sigma: float = SIGMA
) -> "NDArray[np.float32]":
    """Values [n, ...] averaged with their neighbours in time; NaN counts for nothing and stays NaN."""
    import numpy as np

    if len(times) < 2:
        return values.copy()
    reach = 3 * sigma + 1e-6  # times are rounded: both sides alike
    known = ~np.isnan(values)
    filled = np.where(known, values, 0).astype(np.float32)
    total, weight = filled.copy(), known.astype(np.float32)
    for step in range(1, len(times)):
        apart = times[step:] - times[:-step]
        if apart.min() > reach:
            break
        share = np.where(apart <= reach, np.exp(-0.5 * (apart / sigma) ** 2), 0).astype(np.float32)
        share = share.reshape(-1, *(1,) * (values.ndim - 1))
        total[:-step] += share * filled[step:]
        weight[:-step] += share * known[step:]
        total[step:] += share * filled[:-step]
        weight[step:] += share * known[:-step]
    return np.where(known, total / np.maximum(weight, 1e-9), np.nan).astype(np.float32)


def densest(values: "NDArray[np.float32]") -> float:
    """The half-sample mode: where values are closest together; NaN if there is none.

    It assumes that a face at rest reads alike, not that it rests most of the time.
    """
    import numpy as np

    left = np.sort(values[~np.isnan(values)].astype(np.float64))
    if not len(left):
        return float("nan")
    while len(left) > 3:
        half = (len(left) + 1) // 2
        widths = left[half - 1 :] - left[: len(left) - half + 1]
        start = int(widths.argmin())
        left = left[start : start + half]
    if len(left) == 3:
        left = left[:2] if left[1] - left[0] <= left[2] - left[1] else left[1:]
    return float(left.mean())


def above_rest(values: "NDArray[np.float32]", rest: "NDArray[np.float32] | float") -> "NDArray[np.float32]":
    """Intensities 0-1 above a resting value, stretched so that 1 stays 1, unless `LEAST_ROOM` bounds it."""
    import numpy as np

    room = np.maximum(1 - np.asarray(rest, np.float32), LEAST_ROOM)
    return np.clip((values - rest) / room, 0, 1).astype(np.float32)


def spans(mask: "NDArray[np.bool_]") -> list[tuple[int, int]]:
    """First and one past the last index of each run of True."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def blinks(times: "NDArray[np.float64]", closing: "NDArray[np.float32]") -> list[tuple[int, int]]:
    """Runs of rows in which the eyes blink: closed for as short as a blink.

    Args:
        closing: How far the less closed eye is closed, above rest, 0-1.
    """
    import numpy as np

    closed = np.nan_to_num(closing) >= CLOSED
    return [(a, b) for a, b in spans(closed) if times[b - 1] - times[a] <= LONGEST_BLINK]


def brief_gaps(times: "NDArray[np.float64]", values: "NDArray[np.float32]") -> "NDArray[np.bool_]":
    """Which values [n, units] are missing for as short as a blink, between others of their unit."""
    import numpy as np

    gaps = np.zeros(values.shape, np.bool_)
    for unit in np.flatnonzero(np.isnan(values).any(axis=0)):
        for a, b in spans(np.isnan(values[:, unit])):
            if a > 0 and b < len(times) and times[b] - times[a - 1] <= LONGEST_BLINK:
                gaps[a:b, unit] = True
    return gaps


def around(
    times: "NDArray[np.float64]", runs: list[tuple[int, int]], before: float, after: float
) -> "NDArray[np.bool_]":
    """Mask of the rows of some runs, and those so many seconds before and after."""
    import numpy as np

    mask = np.zeros(len(times), np.bool_)
    for a, b in runs:
        first = np.searchsorted(times, times[a] - before - 1e-9)
        last = np.searchsorted(times, times[b - 1] + after + 1e-9)
        mask[first:last] = True
    return mask


def bridged(
    times: "NDArray[np.float64]", values: "NDArray[np.float32]", mask: "NDArray[np.bool_]"
) -> "NDArray[np.float32]":
    """Values [n] with a straight line across the masked rows, between the known values beside them."""
    import numpy as np

    known = ~np.isnan(values) & ~mask
    if not known.any():
        return np.full_like(values, np.nan)
    line = np.interp(times, times[known], values[known]).astype(np.float32)
    return np.where(mask, line, values).astype(np.float32)
