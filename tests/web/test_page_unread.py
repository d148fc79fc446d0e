"""Sentences that nobody could check are hatched in a report about a chat model's text."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import call
from chatserver import ChatServer
from conftest import ASTRONAUT
from explanations import UNREADABLE
from PIL import Image
from serving import served

pytestmark = pytest.mark.slow
UNREAD = UNREADABLE.removesuffix(".")
TEXT = (
    f"**Key Observations:** Both lip corners are strongly pulled up. {UNREADABLE}\n\n"
    "**Overall Emotional Interpretation:** The smile speaks for joy.\n\n"
    "**Conclusion:** The face shows happiness."
)


@pytest.fixture(scope="module")
def chat() -> Iterator[ChatServer]:
    with served(lambda _: TEXT) as server:
        yield server


def hatching(marks: Any) -> list[str]:
    """The background of each mark, as the browser draws it."""
    found: list[str] = marks.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundImage)")
    return found


def drawn(mark: Any) -> int:
    """How many colours a mark is drawn in between its letters: its hatching, and what is under it."""
    image = np.asarray(Image.open(io.BytesIO(mark.screenshot())).convert("RGB"))
    return len(np.unique(image[1].reshape(-1, 3), axis=0))


def check(marks: Any, others: Any) -> None:
    assert marks.all_inner_texts() == [UNREAD]
    assert all("repeating-linear-gradient" in one for one in hatching(marks))
    assert others.count() > 0
    assert set(hatching(others)) == {"none"}
    assert drawn(marks.first) > 1


def test_a_report(browser: Any, chat: ChatServer, tmp_path: Path) -> None:
    page = tmp_path / "faces.html"
    assert call("analyze", ASTRONAUT, "--model", "chat:m", "--base-url", chat.url, "-o", page).code == 0
    opened = browser.new_page()
    opened.goto(page.as_uri())
    text = opened.locator(".part")
    check(text.locator("mark.unread"), text.locator("mark:not(.unread)"))
    opened.close()
