"""The video view: sent, followed along its timeline by click and keys, forgotten; a camera's recording."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import FACES, Visit, axe_violations, chromium, npm_package, visiting, write_y4m
from faces_in_motion import smile_video
from serving_expllm import Running, running
from waiting import wait_until

from expllm.server import measurer

pytestmark = pytest.mark.slow
PACKAGE = "mediapipe-tasks-vision-1.1.0.tgz"
TIME = "document.querySelector('#video video')?.currentTime ?? -1"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One whose camera sees a face that smiles for four of twelve seconds."""
    film = tmp_path_factory.mktemp("film") / "faces.y4m"
    pictures = [(FACES / f"render_{name}.jpg", (0, 0, 0)) for name in ("neutral", "happiness", "neutral")]
    write_y4m(film, pictures, seconds=4, rate=4)
    with chromium(
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ) as opened:  # fmt: skip
        yield opened


@pytest.fixture(scope="module")
def video_server() -> Iterator[Running]:
    with running(video=True) as started:
        yield started


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "smile.webm"
    path.write_bytes(smile_video())
    return path


def shown(visit: Visit, clip: Path) -> Visit:
    """The clip, sent and explained."""
    visit.page.set_input_files("#file", [str(clip)])
    visit.page.locator("#video .timeline").wait_for()
    return visit


def seconds(visit: Visit) -> float:
    found: float = visit.page.evaluate(TIME)
    return found


def test_a_video_is_explained_along_its_timeline(browser: Any, video_server: Running, clip: Path) -> None:
    with visiting(browser, video_server) as visit:
        shown(visit, clip)
        page = visit.page
        assert "P1" in page.locator("#video .timeline").text_content()
        assert (
            page.locator("#video .timeline .episode").count() == page.locator("#video .episodes li").count()
        )
        assert "happiness" in page.locator("#video .episodes button").first.inner_text()
        assert page.locator("#video .part p").count() == 3
        assert page.locator("#video .part .mark.contradicted").count() == 0
        wait_until(lambda: 2.3 < seconds(visit) < 3.9)  # it stands at the first apex
        page.locator("#video .timeline [class^=bar-]").first.click()
        wait_until(lambda: 2.0 < seconds(visit) < 3.0)
        page.locator("#video .seek").focus()
        before = seconds(visit)
        page.keyboard.press("ArrowRight")
        wait_until(lambda: seconds(visit) > before)
        page.keyboard.press("Home")
        page.get_by_text("No episode at this moment.").wait_for()
        assert "no episode" in page.locator("#video .seek").get_attribute("aria-valuetext")
        page.keyboard.press("PageDown")
        page.locator("#video .part p").first.wait_for()
        assert "Episode 1, P1" in page.locator("#video .seek").get_attribute("aria-valuetext")
        page.locator("#video .as-table summary", has_text="Events").click()
        page.locator("#video .link").last.focus()
        page.keyboard.press("Enter")
        wait_until(lambda: seconds(visit) > 2.0)
        if folder := os.environ.get("EXPLLM_SCREENSHOTS"):
            page.locator("#video").screenshot(path=f"{folder}/video.png")


FOLLOW = """(number) => new Promise((resolve) => {
  const told = [], source = new EventSource(`v1/video/${number}/events`);
  for (const kind of ["progress", "part", "done", "failed"]) {
    source.addEventListener(kind, ({data, lastEventId}) => told.push([kind, JSON.parse(data), lastEventId]));
  }
  // Where the stream ends a browser comes back by itself, and is sent away for good.
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve(told); };
})"""


def test_a_browsers_own_event_source_follows_a_video(browser: Any, video_server: Running, clip: Path) -> None:
    number = video_server.ask("POST", "/v1/video", clip.read_bytes()).json["id"]
    with visiting(browser, video_server) as visit:
        told = visit.page.evaluate(FOLLOW, number)
    kinds = [kind for kind, _, _ in told]
    assert kinds.count("part") == kinds.count("done") == 1, "it was told something twice"
    assert (told[-1][0], told[-1][2], told[-1][1]["state"]) == ("done", "end", "done")
    peaks = next(content for kind, content, _ in told if kind == "part")["peaks"]
    assert peaks["left lip corner pull"] > 0.5
    assert peaks["jaw thrust"] is None


def test_the_server_forgets_a_video_with_the_page(browser: Any, video_server: Running, clip: Path) -> None:
    jobs = video_server.analyzer.videos
    assert jobs is not None
    before = set(jobs._jobs)
    with visiting(browser, video_server) as visit:
        shown(visit, clip)
        assert len(jobs._jobs) == len(before) + 1
        with visit.page.expect_download() as download:
            visit.page.get_by_role("button", name="events (CSV)").click()
        assert Path(download.value.path()).read_text().startswith("person,unit,onset")
        visit.page.get_by_role("button", name="Forget this video").click()
        wait_until(lambda: set(jobs._jobs) == before)
        assert visit.page.locator("#video").is_hidden()


def test_a_server_without_videos_says_so(visit: Visit, clip: Path) -> None:
    visit.page.set_input_files("#file", [str(clip)])
    visit.page.get_by_text("this server takes pictures only").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_video_view(
    browser: Any, video_server: Running, clip: Path, scheme: str
) -> None:
    context = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    with visiting(browser, video_server, **context) as visit:
        shown(visit, clip)
        visit.page.locator("#video .as-table summary").first.click()
        assert axe_violations(visit) == []


def test_on_a_narrow_screen_nothing_is_cut_off(browser: Any, video_server: Running, clip: Path) -> None:
    with visiting(browser, video_server, viewport={"width": 360, "height": 700}) as visit:
        shown(visit, clip)
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_recording_is_measured_here_and_only_numbers_leave(browser: Any) -> None:
    measurer.unpack(npm_package(PACKAGE))
    with running() as server, visiting(browser, server) as visit:
        page = visit.page
        page.get_by_role("button", name="Camera", exact=True).click()
        page.get_by_label("Everyone in view").check()
        page.get_by_role("button", name="Start the camera").click()
        page.locator("#camera .label:not(:empty)").wait_for()
        before = len(visit.sent)
        page.get_by_role("button", name="Record").click()
        page.locator("#video .timeline").wait_for(timeout=180_000)
        sent = [one for one in visit.sent[before:] if one[0] == "POST"]
        assert {url.removeprefix(server.url) for _, url, _ in sent} <= {"/v1/course", "/v1/explain"}
        assert sent[-1][1].endswith("/v1/course")
        assert "happiness" in page.locator("#video .episodes").inner_text()
        assert "The camera is off." in page.locator("#camera").inner_text()
        page.locator("#video .seek").focus()
        page.keyboard.press("End")
        assert page.locator("#video .film img").get_attribute("src").startswith("blob:")
