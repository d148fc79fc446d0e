"""Back-off and Retry-After."""

import time
from email.utils import formatdate

import pytest

from expllm.chat.retries import Backoff, retry_after

NOW = 1_800_000_000.0


def test_waits_double_have_full_jitter_and_a_cap() -> None:
    backoff = Backoff(base=1.0, cap=5.0)
    for attempt, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (2000, 5.0)):
        waits = [backoff.seconds(attempt) for _ in range(400)]
        assert 0.8 * longest < max(waits) <= longest
        assert min(waits) < 0.2 * longest


@pytest.mark.parametrize("asked", [0.0, 0.5, 3.0, 500.0])
def test_what_the_server_asks_for_is_never_undercut(asked: float) -> None:
    waits = [Backoff(base=0.01, cap=0.02).seconds(1, asked) for _ in range(200)]
    assert asked <= min(waits) <= max(waits) <= asked + 0.02


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "\u0663"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": formatdate(NOW + 30, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 0.0),
        ({"retry-after": "Fri, 99 Foo 2027 00:00:00 GMT"}, None),
        ({"retry-after": "Thu, 01 Jan 99999 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_without_the_server_s_own_is_held_against_our_clock() -> None:
    found = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert found == pytest.approx(30, abs=2)
