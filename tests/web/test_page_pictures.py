"""Pictures in and files out: chosen, dropped, pasted; history, comparison, downloads."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from browsing import FACES, Visit, visiting
from PIL import Image
from serving_expllm import Running, portrait, running

pytestmark = pytest.mark.slow
GIVE = """([kind, name, type, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
  const event = kind === "drop"
    ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
    : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true});
  document.body.dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(visit: Visit, kind: str, record_property: Any) -> None:
    data = list((FACES / "render_surprise.jpg").read_bytes())
    began = time.perf_counter()
    visit.page.evaluate(GIVE, [kind, "mine.jpg", "image/jpeg", data])
    visit.page.locator("#result-title", has_text="mine.jpg").wait_for()
    visit.page.locator("#result .units button.reading").first.wait_for()
    record_property(f"{kind} to bars", f"{time.perf_counter() - began:.2f} s")
    assert visit.label() == "surprise"


def test_several_are_chosen_and_remembered_for_the_session(visit: Visit) -> None:
    visit.choose("render_happiness.jpg", "render_neutral.jpg")
    entries = visit.page.locator("#history .entry")
    assert entries.count() == 3
    entries.nth(1).click()
    assert visit.page.locator("#result-title").inner_text() == "render_happiness.jpg"
    assert visit.page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert visit.page.context.cookies() == []
    visit.page.reload()
    visit.text.first.wait_for()
    assert visit.page.locator("#history").is_hidden()


def test_pictures_stand_side_by_side(visit: Visit) -> None:
    visit.choose("render_happiness.jpg")
    for box in visit.page.get_by_label("compare ").all():
        box.check()
    table = visit.page.locator("#compare table")
    assert table.locator("thead th").all_inner_texts()[1:] == ["astronaut.jpg", "render_happiness.jpg"]
    labels = table.locator("tbody tr").first.locator("td").all_inner_texts()
    assert all(label.startswith("happiness") for label in labels)
    rows = table.locator("tbody th").all_inner_texts()
    assert "left lip corner pull" in rows


def test_everything_is_forgotten_on_request(visit: Visit) -> None:
    visit.choose("render_happiness.jpg")
    visit.page.get_by_role("button", name="Forget all").click()
    assert visit.page.locator("#result").is_hidden()
    assert visit.page.locator("#history").is_hidden()


def test_each_face_of_a_picture_can_be_looked_at(visit: Visit) -> None:
    visit.choose("render_pair.jpg")
    faces = visit.page.locator(".faces-of button")
    assert faces.count() == 2
    told = [label.split(": ")[1] for label in faces.all_inner_texts()]
    for number, label in enumerate(told):
        faces.nth(number).click()
        assert visit.label() == label


def test_a_picture_that_the_browser_cannot_show_is_explained_all_the_same(
    visit: Visit, tmp_path: Path
) -> None:
    path = tmp_path / "scan.tiff"
    Image.open(FACES / "render_happiness.jpg").save(path)
    visit.page.set_input_files("#file", str(path))
    visit.page.locator("#result-title", has_text="scan.tiff").wait_for()
    assert visit.label() == "happiness"
    assert "no picture to show" in visit.page.locator("#result figcaption").inner_text()


def test_what_cannot_be_analyzed_is_said(visit: Visit, tmp_path: Path) -> None:
    blank, broken, large = tmp_path / "blank.png", tmp_path / "broken.jpg", tmp_path / "large.jpg"
    Image.new("RGB", (80, 80), "gray").save(blank)
    broken.write_bytes(b"no picture")
    large.write_bytes(bytes(9 * 2**20))
    visit.page.set_input_files("#file", str(blank))
    visit.page.locator("#result", has_text="No face was found.").wait_for()
    visit.page.set_input_files("#file", str(large))
    visit.page.locator("#alert", has_text="at most 8 MiB").wait_for()
    visit.page.set_input_files("#file", str(broken))
    visit.page.locator("#alert", has_text="picture: ").wait_for()
    visit.faults.clear()  # the browser's console notes the 422


def test_a_mirror_image_swaps_the_sides(visit: Visit) -> None:
    visit.choose("render_contempt.jpg")
    before = readings(visit)
    visit.page.get_by_label("mirror image").check()
    visit.choose("render_contempt.jpg")
    after = readings(visit)
    assert after["left lip corner pull"] == before["right lip corner pull"] != before["left lip corner pull"]


def readings(visit: Visit) -> dict[str, str]:
    bars = visit.page.locator("#result .units button.reading")
    labels: list[str] = bars.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    return dict(label.rsplit(" ", 1) for label in labels)


def downloaded(visit: Visit, name: str) -> bytes:
    with visit.page.expect_download() as waiting:
        visit.page.locator("#result").get_by_role("button", name=name).click()
    return Path(waiting.value.path()).read_bytes()


def test_downloads_hold_what_the_server_said(visit: Visit) -> None:
    (face,) = visit.server.analyze(portrait()).json["faces"]
    face["input"] = "astronaut.jpg"
    assert json.loads(downloaded(visit, "JSON")) == [face]
    (row,) = csv.DictReader(io.StringIO(downloaded(visit, "table (CSV)").decode()))
    assert float(row["jaw drop"]) == face["aus"]["jaw drop"]
    report = downloaded(visit, "report (HTML)").decode()
    assert "astronaut.jpg" in report
    assert "data:image/jpeg;base64," in report


def test_a_key_is_asked_for_and_kept_in_memory_only(browser: Any) -> None:
    with running(keys=("secret",)) as server:
        visit = Visit(browser, server).open(explained=False)
        visit.page.get_by_label("API key").fill("secret")
        visit.page.get_by_role("button", name="Use").click()
        visit.text.first.wait_for()
        assert visit.page.evaluate("localStorage.length + sessionStorage.length") == 0
        visit.close()


def test_a_busy_or_ended_server_is_said(browser: Any, server: Running) -> None:
    with visiting(browser, server) as visit:
        visit.page.route("**/v1/analyze?*", lambda route: route.abort())
        visit.page.locator(".example").nth(1).click()
        visit.page.locator("#alert", has_text="cannot be reached").wait_for()
        visit.faults.clear()
