"""Times of a video as people write them: `12.5`, `0:12.5`, `1:02:03.040`."""

import re
from typing import Final

from expllm.core.errors import UsageError

_TIME: Final = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d+)?)s?")


def parse_time(text: str) -> float:
    """Seconds that a time names.

    Raises:
        UsageError: it is not a time.

    >>> parse_time("1:02:03.5")
    3723.5
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or (match[2] is not None and float(match[3]) >= 60):
        raise UsageError(f"{text!r} is not a time: write seconds (12.5), 0:12.5 or 1:02:03")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


def parse_span(text: str) -> tuple[float, float]:
    """From and to of a span such as `0:00-0:02`, in seconds.

    Raises:
        UsageError: it is not one, or ends before it begins.
    """
    start, dash, end = text.partition("-")
    if not dash:
        raise UsageError(f"{text!r} is not a span of time: write FROM-TO, such as 0:00-0:02")
    span = parse_time(start), parse_time(end)
    if span[1] <= span[0]:
        raise UsageError(f"{text!r} ends before it begins: write FROM-TO")
    return span


def parse_spans(text: str) -> tuple[tuple[float, float], ...]:
    """Spans such as `0:10-0:12,1:05-1:09`, in seconds.

    Raises:
        UsageError: one of them is no span.

    >>> parse_spans("1-2, 0:05-0:06.5")
    ((1.0, 2.0), (5.0, 6.5))
    """
    return tuple(parse_span(one) for one in text.split(","))


def clock(seconds: float, decimals: int = 1) -> str:
    """A time as a player shows it.

    >>> clock(3723.46)
    '1:02:03.5'
    """
    units = round(seconds * 10**decimals)
    whole, part = divmod(units, 10**decimals)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"{head}.{part:0{decimals}d}" if decimals else head
