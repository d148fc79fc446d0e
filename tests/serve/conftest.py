"""One server for the tests that need nothing special of it."""

from collections.abc import Iterator

import pytest
from serving_expllm import Running, running


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as started:
        yield started
