"""The page for everybody: axe-core in every state, by keyboard, enlarged, dark, without motion."""

from collections.abc import Callable
from typing import Any

import pytest
from browsing import Visit, axe_violations, visiting
from serving_expllm import Running, running

pytestmark = pytest.mark.slow


TOO_WIDE = """() => [...document.querySelectorAll("main *, header *, footer *")]
  .filter((one) => !one.closest(".scrolls, svg, .note, .hidden"))
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 120))"""


def lit(visit: Visit) -> None:
    visit.claims.first.focus()


def whatif(visit: Visit) -> None:
    visit.page.get_by_role("button", name="What if?").click()
    visit.page.locator("#whatif .part").first.wait_for()
    for table in visit.page.locator(".as-table summary, .legend summary").all():
        table.click()


def compared(visit: Visit) -> None:
    visit.choose("render_pair.jpg")
    for box in visit.page.get_by_label("compare ").all():
        box.check()


def camera(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Camera", exact=True).click()


def failed(visit: Visit) -> None:
    visit.page.route("**/v1/analyze?*", lambda route: route.abort())
    visit.page.locator(".example").nth(1).click()
    visit.page.locator("#alert:not(:empty)").wait_for()
    visit.faults.clear()


STATES: dict[str, Callable[[Visit], None]] = {
    "start": lambda visit: None, "lit": lit, "what if": whatif, "compared": compared, "camera": camera,
    "failed": failed,
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(browser: Any, server: Running, state: str, scheme: str) -> None:
    context = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    with visiting(browser, server, **context) as visit:
        STATES[state](visit)
        assert axe_violations(visit) == []


def test_axe_finds_nothing_where_a_key_is_needed(browser: Any) -> None:
    with running(keys=("secret",)) as server:
        visit = Visit(browser, server, bypass_csp=True).open(explained=False)
        visit.page.get_by_label("API key").wait_for()
        assert axe_violations(visit) == []
        visit.close()


def focused(visit: Visit) -> str:
    found: str = visit.page.evaluate(
        "[document.activeElement.tagName, document.activeElement.id, document.activeElement.className,"
        " document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent].join(' ')"
    )
    return found


def test_everything_can_be_reached_by_keyboard(visit: Visit) -> None:
    """Tab from the top: the picture's buttons, its toggles, the claims, the bars, what-if, the downloads."""
    met = []
    for _ in range(80):
        visit.page.keyboard.press("Tab")
        met.append(focused(visit))
        if "report (HTML)" in met[-1]:
            break
    order = [
        "Skip to",
        "file",
        "Camera",
        "model",
        "mirrored",
        "example",
        "mark supported",
        "reading",
        "What if?",
        "JSON",
    ]
    places = [next(i for i, one in enumerate(met) if word in one) for word in order]
    assert places == sorted(places)
    assert sum("mark " in one for one in met) == visit.claims.count()
    visit.page.get_by_role("button", name="What if?").focus()
    visit.page.keyboard.press("Enter")
    slider = visit.page.get_by_label("jaw drop", exact=True)
    slider.focus()
    before = float(slider.input_value())
    visit.page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(before + 0.01, abs=0.006)


def test_the_skip_link_leads_to_the_explanation(visit: Visit) -> None:
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("Tab")
    assert "mark" in focused(visit)


@pytest.mark.parametrize("width", [720, 360])
def test_enlarged_nothing_is_cut_off(browser: Any, server: Running, width: int) -> None:
    """200 % of a window of 1440 pixels, and 400 %: one column, no scrolling sideways."""
    with visiting(browser, server, viewport={"width": width, "height": 500}) as visit:
        whatif(visit)
        wide = visit.page.evaluate(TOO_WIDE)
        assert wide == []
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_moves_for_those_who_wish_so(browser: Any, server: Running) -> None:
    with visiting(browser, server, reduced_motion="reduce") as visit:
        visit.claims.first.focus()
        assert visit.page.evaluate("document.getAnimations().length") == 0
    with visiting(browser, server) as visit:
        visit.claims.first.focus()
        assert visit.page.evaluate("document.getAnimations().length") > 0
