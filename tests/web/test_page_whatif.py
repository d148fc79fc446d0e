"""Sliders: label, text and face follow; the smallest change; a model is asked."""

import re
from typing import Any

import pytest
from browsing import Visit, visiting
from serving_expllm import running

from expllm.core.vocabulary import AU_BY_NAME

pytestmark = pytest.mark.slow
SMILE = ("right lip corner pull", "left lip corner pull")


@pytest.fixture
def opened(visit: Visit) -> Visit:
    """The sliders of a neutral render."""
    visit.choose("render_neutral.jpg")
    return open_whatif(visit)


def open_whatif(visit: Visit) -> Visit:
    visit.page.get_by_role("button", name="What if?").click()
    visit.page.locator("#whatif .part").first.wait_for()
    return visit


def slide(visit: Visit, values: dict[str, float]) -> None:
    """Moves sliders and waits for the answer to the last of them."""
    with visit.page.expect_response(
        lambda reply: "/v1/explain" in reply.url and sent(reply).items() >= values.items()
    ):
        for name, value in values.items():
            visit.page.locator("#whatif").get_by_label(name, exact=True).fill(str(value))
    visit.page.wait_for_timeout(50)


def sent(reply: Any) -> dict[str, float]:
    found: dict[str, float] = reply.request.post_data_json["aus"]
    return found


def share(visit: Visit, label: str) -> float:
    """A probability as it is shown, in percent."""
    row = visit.page.locator("#whatif .probabilities tr", has=visit.page.get_by_text(label, exact=True))
    return float(
        row.locator(".value").inner_text().replace("<1", "0.5").replace(">99", "99.5").split("\u202f")[0]
    )


def path(visit: Visit) -> str:
    found: str = visit.page.locator("#whatif .mesh .middle").get_attribute("d") or ""
    return found


def test_a_smile_grows_and_happiness_never_falls(opened: Visit) -> None:
    shares = []
    for step in (0, 0.06, 0.2, 0.4, 0.6, 0.8, 1):
        slide(opened, dict.fromkeys(SMILE, step))
        shares.append(share(opened, "happiness"))
        told = opened.page.locator("#whatif .part").first.inner_text()
        assert bool(re.search("corner|smil", told)) == (step > 0.05), told
    assert shares == sorted(shares)
    assert shares[-1] > 90
    assert opened.label("#whatif") == "happiness"


def test_the_drawing_follows_and_is_reset(opened: Visit) -> None:
    before = path(opened)
    slide(opened, {"jaw drop": 1})
    assert path(opened) != before
    opened.page.get_by_role("button", name="Reset").click()
    assert path(opened) == before


def test_a_unit_is_removed_and_mirrored(visit: Visit) -> None:
    visit.choose("render_contempt.jpg")
    open_whatif(visit)
    whatif = visit.page.locator("#whatif")
    before = [whatif.get_by_label(name, exact=True).input_value() for name in SMILE]
    assert before[0] != before[1]
    whatif.get_by_role("button", name="Mirror: lip corner pull").click()
    assert [whatif.get_by_label(name, exact=True).input_value() for name in SMILE] == before[::-1]
    whatif.get_by_role("button", name="Remove: lip corner pull").click()
    assert [whatif.get_by_label(name, exact=True).input_value() for name in SMILE] == ["0", "0"]


def test_the_smallest_change_flips_the_label(visit: Visit) -> None:
    open_whatif(visit)
    before = visit.label("#whatif")
    with visit.page.expect_response(lambda reply: "/v1/explain" in reply.url):
        visit.page.get_by_role("button", name="Find it").click()
    told = visit.page.locator(".flip:not(:empty)").inner_text()
    visit.page.locator("#whatif .label", has_not_text=before).wait_for()
    after = visit.label("#whatif")
    assert after != before
    assert f"gives {after}" in told
    assert any(unit.action in told for unit in AU_BY_NAME.values())


def test_the_page_says_who_answers(visit: Visit) -> None:
    open_whatif(visit)
    assert "rules answer" in visit.page.locator("#whatif .banner").inner_text()
    assert visit.page.get_by_role("button", name="Ask ").count() == 0  # only rules are served


def test_the_model_is_asked_with_the_changed_units(browser: Any) -> None:
    pytest.importorskip("torch")
    with running(models=("offline", "compact")) as server, visiting(browser, server) as visit:
        open_whatif(visit)
        visit.page.get_by_role("button", name="Ask compact with these units").click()
        visit.page.locator("#whatif .banner", has_text="Answered by compact").wait_for()
        assert visit.page.locator("#whatif .part").first.inner_text()
