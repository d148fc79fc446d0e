"""What the page shows of the bundled example, and how its parts light each other up."""

import re
from typing import Any

import pytest
from browsing import Visit, visiting
from serving_expllm import Running, portrait

from expllm.core.vocabulary import ACTION_UNITS, AU_BY_NAME, AU_NAMES

pytestmark = pytest.mark.slow
MIDDLE = 0.06
"""Of an eye distance: regions may reach so far over the middle of the face."""


def analysis(server: Running) -> Any:
    return server.analyze(portrait(), "?landmarks=true&audit=true").json


def lit(visit: Visit, part: str) -> set[str]:
    return set(visit.page.locator(f"{part}.lit").evaluate_all("all => all.map(one => one.dataset.unit)"))


def centre(visit: Visit, unit: str) -> tuple[float, float]:
    """The middle of a unit's region, in pixels of the picture."""
    x, y, width, height = visit.page.locator(f'#result .region[data-unit="{unit}"]').evaluate(
        "one => { const b = one.getBBox(); return [b.x, b.y, b.width, b.height]; }"
    )
    return x + width / 2, y + height / 2


def test_the_example_is_explained_at_once(visit: Visit) -> None:
    face = analysis(visit.server)["faces"][0]
    assert visit.label() == face["expression"]
    shown = [re.sub(r"[✓✗⇄⇅≈?–](?=\W|$)", "", text) for text in visit.text.all_inner_texts()]
    for part, words in zip(shown, face["cot"].values(), strict=True):
        assert words.split()[:3] == part.split()[:3]
    assert visit.page.locator("#privacy").inner_text().startswith("Pictures go to the ExpLLM server on this")


def test_every_unit_has_its_bar_or_is_hatched(visit: Visit) -> None:
    aus = analysis(visit.server)["faces"][0]["aus"]
    bars = visit.page.locator("#result .units button.reading")
    shown = {label.rsplit(" ", 1)[0]: float(label.rsplit(" ", 1)[1]) for label in labels(bars)}
    assert shown == {name: round(value, 2) for name, value in aus.items() if value is not None}
    hatched = visit.page.locator("#result .pairs .unknown, #result .whole-face .unknown").count()
    assert hatched == sum(value is None for value in aus.values())


def labels(bars: Any) -> list[str]:
    found: list[str] = bars.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    return found


def test_each_claim_lights_its_bars_and_its_side_and_half_of_the_face(visit: Visit) -> None:
    found = analysis(visit.server)
    landmarks, claims = found["faces"][0]["landmarks"], found["audits"][0]["claims"]
    eye_distance = landmarks[263][0] - landmarks[33][0]
    middle, nose = (landmarks[33][0] + landmarks[263][0]) / 2, landmarks[4][1]
    assert visit.claims.count() == len(claims)
    for number, claim in enumerate(claims):
        visit.claims.nth(number).focus()
        units = lit(visit, "#result .region")
        assert units, claim["text"]
        assert {AU_BY_NAME[name].action for name in units} <= set(claim["units"])
        bars = labels(visit.page.locator("#result .reading.lit"))
        assert {label.rsplit(" ", 1)[0] for label in bars} == units
        for name in units:
            unit, (x, y) = AU_BY_NAME[name], centre(visit, name)
            if claim["side"] and not claim["both"]:
                assert unit.side == claim["side"]
            if unit.side:  # the picture shows the subject's right at the left
                assert (x < middle + MIDDLE * eye_distance) == (unit.side == "right"), name
            assert (y < nose) == (unit.region in ("eyes", "brows")), name


def test_a_claim_says_why(visit: Visit) -> None:
    claims = analysis(visit.server)["audits"][0]["claims"]
    for number, claim in enumerate(claims[:3]):
        mark = visit.claims.nth(number)
        note = visit.page.locator(f"#{mark.get_attribute('aria-describedby')}")
        assert not note.is_visible()
        mark.focus()
        assert note.is_visible()
        assert note.inner_text() == f"{claim['verdict']}: {claim['reason']}"


def test_a_bar_and_a_region_light_the_claims_that_speak_of_them(visit: Visit) -> None:
    claims = analysis(visit.server)["audits"][0]["claims"]
    name = "left lip corner pull"
    about = sum(AU_BY_NAME[name].action in claim["units"] for claim in claims)
    bar = visit.page.locator(f'#result button.reading[aria-label^="{name} "]')
    bar.focus()
    assert visit.page.locator("#result .mark.lit").count() == about
    bar.blur()
    assert visit.page.locator("#result .mark.lit").count() == 0
    visit.page.locator(f'#result .region[data-unit="{name}"]').hover()
    assert visit.page.locator("#result .mark.lit").count() == about
    assert lit(visit, "#result .region") == {name}


def test_enter_keeps_a_claim_lit(visit: Visit) -> None:
    first = visit.claims.first
    first.focus()
    visit.page.keyboard.press("Enter")
    assert first.get_attribute("aria-pressed") == "true"
    first.blur()
    assert visit.page.locator("#result .region.lit").count() > 0
    first.focus()
    visit.page.keyboard.press(" ")
    first.blur()
    assert visit.page.locator("#result .region.lit").count() == 0


def test_marks_differ_in_more_than_colour(visit: Visit) -> None:
    """A text whose claims are refuted, put in the place of the server's."""
    text = "The brows are strongly lowered. Both lip corners are pulled up."

    def changed(route: Any) -> None:
        reply = route.fetch().json()
        aus = reply["faces"][0]["aus"]
        audit = visit.server.post("/v1/audit", {"text": text, "aus": aus}).json
        reply["audits"][0] = {
            "text": text, "claims": audit["claims"], "unread": audit["unread"], "summary": "One of two."
        }  # fmt: skip
        route.fulfill(json=reply)

    visit.page.route("**/v1/analyze?*", changed)
    visit.page.locator(".example").first.click()
    visit.page.locator("#result .mark.contradicted[role=button]").wait_for()
    style = "one => { const s = getComputedStyle(one); return s.borderBottomStyle + s.borderBottomWidth; }"
    refuted, borne_out = (
        visit.page.locator(f"#result .explanation p > .claim .mark.{kind}")
        for kind in ("contradicted", "supported")
    )
    assert refuted.evaluate(style) != borne_out.evaluate(style)
    assert refuted.locator(".sign").inner_text() != borne_out.locator(".sign").inner_text()


def test_the_table_has_every_figure_of_the_chart(visit: Visit) -> None:
    aus = analysis(visit.server)["faces"][0]["aus"]
    visit.page.locator("#result .as-table summary").click()
    rows = visit.page.locator("#result .as-table tbody tr")
    assert rows.count() == len(AU_NAMES)
    for unit, cells in zip(ACTION_UNITS, rows.all_inner_texts(), strict=True):
        value = aus[unit.name]
        assert cells.split("\t") == [
            unit.name, ", ".join(map(str, unit.facs)), unit.region,
            "not measured" if value is None else f"{value:.2f}",
        ]  # fmt: skip


def test_mesh_regions_and_the_whole_picture_are_shown_at_will(visit: Visit) -> None:
    figure = visit.page.locator("#result figure")
    for name, part in (("mesh", ".mesh"), ("regions", ".regions")):
        assert figure.locator(part).is_visible()
        figure.get_by_label(name, exact=True).uncheck()
        assert not figure.locator(part).is_visible()
    before = figure.locator("svg").get_attribute("viewBox")
    figure.get_by_label("whole picture").check()
    assert figure.locator("svg").get_attribute("viewBox") == "0 0 512 512" != before


def test_a_second_server_is_not_asked_for_anything(browser: Any, server: Running) -> None:
    """The whole session: every example, a claim, what-if, a report."""
    with visiting(browser, server) as visit:
        for example in visit.page.locator(".example").all():
            example.click()
            visit.page.locator("#status:empty").wait_for(state="attached")
        visit.claims.first.hover()
        visit.page.get_by_role("button", name="What if?").click()
        visit.page.locator("#whatif .part").first.wait_for()
        with visit.page.expect_download():
            visit.page.locator("#result").get_by_role("button", name="report (HTML)").click()
        assert visit.elsewhere() == []
        assert len({url for _, url, _ in visit.sent if url.startswith("http")}) <= 30
