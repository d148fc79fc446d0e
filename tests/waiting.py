"""Waiting for what must come: bounds that only a hang reaches, however busy the machine is."""

import time
from collections.abc import Callable
from typing import Final

HANG_S: Final = 900.0
"""Whoever needs longer hangs. Never a measure of speed: a busy machine is not a fault."""


def wait_until(condition: Callable[[], bool], seconds: float = HANG_S) -> None:
    """Looks again and again until `condition` holds; fails where it never does."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "waited in vain"
        time.sleep(0.005)
