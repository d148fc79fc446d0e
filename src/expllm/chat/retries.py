"""Retry delays: exponential back-off with full jitter, and `Retry-After`."""

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

SPREAD: Final = 0.1
"""Share of a Retry-After by which calls are spread behind it, so that they do not all return at once."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt, in seconds.

    Attributes:
        base: The longest first wait; it doubles with every attempt.
        cap: The longest wait of our own choosing.
        patience: The longest wait that a server may ask for.
    """

    base: float = 1.0
    cap: float = 60.0
    patience: float = 600.0

    def seconds(self, attempt: int, asked: float | None = None) -> float:
        """Wait after the attempt with this number, from 1; at least what the server `asked` for."""
        longest = min(self.cap, self.base * 2.0 ** min(attempt - 1, 30))
        if asked is None:
            return random.uniform(0.0, longest)
        return asked + random.uniform(0.0, min(longest, SPREAD * asked))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date; None.

    A date is held against the server's own `Date` where it sends one: its clock need not be ours.

    Args:
        headers: Names in lower case, or a mapping that does not mind the case.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return seconds
    moment = _moment(value)
    now = _moment(headers.get("date", ""))
    return None if moment is None else max(0.0, moment - (time.time() if now is None else now))


_SPOKEN: Final = re.compile(
    r"\b(?:(?:try again|retry|reset\w*)\D{0,20}?(?:in|after)|wait(?:\s+for)?)\s+"
    r"(?:(?P<h>\d+)\s*h(?:ours?)?\s*)?(?:(?P<m>\d+)\s*m(?:in(?:utes?)?)?(?![a-z])\s*)?"
    r"(?:(?P<s>\d+(?:\.\d+)?)\s*(?P<unit>ms|s))?",
    re.IGNORECASE,
)


def wait_in_message(text: str) -> float | None:
    """Seconds that a message asks to wait ("try again in 1m26.4s", "retry after 21 seconds"); else None."""
    found = _SPOKEN.search(text[:2000])
    if found is None or not any(found[name] for name in "hms"):
        return None
    seconds = float(found["s"] or 0) / (1000 if found["unit"] and found["unit"].lower() == "ms" else 1)
    return 3600 * float(found["h"] or 0) + 60 * float(found["m"] or 0) + seconds


def _moment(text: str) -> float | None:
    """Unix time of an HTTP date."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str | None) -> float | None:
    """A number of at most ten digits, not negative; None for anything else."""
    if text is None:
        return None
    digits = text.strip()
    if len(digits) > 16 or not digits.replace(".", "", 1).isdecimal() or not digits.isascii():
        return None
    return float(digits)
