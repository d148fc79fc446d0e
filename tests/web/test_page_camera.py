"""The camera, on a film of renders: measured in the browser or by the server, off until started."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import FACES, Visit, chromium, npm_package, visiting, write_y4m
from serving_expllm import running
from waiting import wait_until

from expllm.server import measurer

pytestmark = pytest.mark.slow
PACKAGE = "mediapipe-tasks-vision-1.1.0.tgz"
SHOWN = {"neutral": (200, 0, 0), "happiness": (0, 160, 0), "surprise": (0, 0, 200)}
"""What the film shows, and the colour of the square in its corner."""
MOST_BYTES = 4096
"""Of what is sent of one picture that was measured in the browser."""
SQUARE = """() => {
  const video = document.querySelector("#camera video"), canvas = new OffscreenCanvas(8, 8);
  const context = canvas.getContext("2d");
  context.drawImage(video, 8, 8, 40, 40, 0, 0, 8, 8);
  return [...context.getImageData(4, 4, 1, 1).data.slice(0, 3)];
}"""


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser whose camera plays the film again and again."""
    film = tmp_path_factory.mktemp("film") / "faces.y4m"
    pictures = [(FACES / f"render_{name}.jpg", colour) for name, colour in SHOWN.items()]
    write_y4m(film, pictures, seconds=8, rate=2)
    with chromium(
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ) as browser:  # fmt: skip
        yield browser


def start(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Camera", exact=True).click()
    assert visit.page.get_by_role("button", name="Start the camera").is_disabled()
    visit.page.get_by_label("Everyone in view").check()
    visit.page.get_by_role("button", name="Start the camera").click()
    visit.page.locator("#camera .label:not(:empty)").wait_for()


def is_on(visit: Visit) -> bool:
    """Whether the page holds a running camera."""
    on: bool = visit.page.evaluate(
        "document.querySelector('#camera video')?.srcObject?.getTracks().some("
        "one => one.readyState === 'live') ?? false"
    )
    return on


def watched(visit: Visit, samples: int) -> list[tuple[str, str]]:
    """What the film shows and what the page says, several times a second."""
    found = []
    for _ in range(samples):
        visit.page.wait_for_timeout(200)
        colour = visit.page.evaluate(SQUARE)
        shown = next(
            name for name, wanted in SHOWN.items() if max(wanted) == wanted[colour.index(max(colour))]
        )
        found.append((shown, visit.label("#camera")))
    return found


def right(found: list[tuple[str, str]], after: int = 8) -> float:
    """The share of samples whose label is right; the first `after` of each picture do not count."""
    counted = [
        found[i]
        for i in range(after, len(found))
        if len({shown for shown, _ in found[i - after : i + 1]}) == 1
    ]
    assert {shown for shown, _ in counted} == set(SHOWN)
    return sum(shown == said for shown, said in counted) / len(counted)


def changes(found: list[tuple[str, str]]) -> list[int]:
    """After each change of the picture: the samples until the label has followed."""
    began = [i for i in range(1, len(found)) if found[i][0] != found[i - 1][0]]
    followed = [
        next((i for i in range(first, len(found)) if found[i][1] == found[first][0]), None) for first in began
    ]
    return [then - first for first, then in zip(began, followed, strict=True) if then is not None]


def test_the_browser_measures_and_only_numbers_leave_it(filmed: Any, record_property: Any) -> None:
    measurer.unpack(npm_package(PACKAGE))
    with running() as server, visiting(filmed, server) as visit:
        assert "stay in this browser" in visit.page.locator("#privacy").inner_text()
        assert not is_on(visit)
        start(visit)
        sent_before = len(visit.sent)
        began = time.perf_counter()
        found = watched(visit, 150)
        took = time.perf_counter() - began
        assert is_on(visit)
        live = visit.sent[sent_before:]
        assert max(size for _, _, size in live) <= MOST_BYTES
        assert not any("/v1/analyze" in url for _, url, _ in live)
        assert len(live) > 20
        share = right(found)
        record_property("camera: label right", f"{share:.0%} from 1.6 s after a change, {len(live)} requests")
        late = [number * took / len(found) for number in changes(found)]
        record_property("camera: label follows a change", f"{max(late):.1f} s at most, of {len(late)}")
        assert share >= 0.8
        visit.page.get_by_role("button", name="Keep this moment").click()
        visit.page.locator("#result-title", has_text="camera 1").wait_for()
        visit.page.get_by_role("button", name="Stop").click()
        assert not is_on(visit)
        quiet = len(visit.sent)
        visit.page.wait_for_timeout(1000)
        assert len(visit.sent) <= quiet + 1  # one answer may have been under way


def test_the_browser_gives_pythons_numbers(filmed: Any, record_property: Any) -> None:
    """The worker that the page uses, on the bundled pictures, beside the landmarker of the server."""
    import numpy as np
    from PIL import Image

    from expllm.faces.landmarks import Landmarker
    from expllm.files.weights import FACE_LANDMARKER, locate

    measurer.unpack(npm_package(PACKAGE))
    landmarker = Landmarker(locate(FACE_LANDMARKER), 1)
    with running() as server, visiting(filmed, server) as visit:
        found = visit.page.evaluate(
            """async (names) => {
              const worker = new Worker("page/measure.js", {type: "module"});
              const all = [];
              for (const name of names) {
                const picture = await createImageBitmap(await (await fetch(`page/${name}`)).blob());
                worker.postMessage({picture}, [picture]);
                all.push(await new Promise((resolve) => { worker.onmessage = ({data}) => resolve(data); }));
              }
              return all;
            }""",
            list(EXAMPLES),
        )
    differences = []
    for name, measured in zip(EXAMPLES, found, strict=True):
        (face,) = landmarker.fit_blindly(np.asarray(Image.open(FACES / name).convert("RGB")))
        assert face.blendshapes is not None
        assert set(measured["blendshapes"]) == set(face.blendshapes)
        differences += [abs(value - face.blendshapes[key]) for key, value in measured["blendshapes"].items()]
    landmarker.close()
    record_property("browser beside Python, 52 scores", f"differ by {max(differences):.4f} at most")
    assert np.mean(differences) < 0.005  # the decoders of JPEG differ


EXAMPLES = ("render_contempt.jpg", "render_surprise_2.jpg")


def test_without_the_measurer_the_server_measures_and_the_page_says_so(
    filmed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with running() as server, visiting(filmed, server) as visit:
        assert "stay in this browser" not in visit.page.locator("#privacy").inner_text()
        start(visit)
        assert "go to the server" in visit.page.locator("#camera").inner_text()
        wait_until(lambda: visit.label("#camera") in SHOWN)
        visit.page.get_by_role("button", name="Camera", exact=True).click()
        assert not is_on(visit)
