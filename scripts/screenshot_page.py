"""Takes the pictures of the page that docs/server.md shows: `python scripts/screenshot_page.py [OUT]`.

Needs Chromium (`apt-get install chromium`) and playwright (extra `dev`). Faces are the bundled ones: public
domain and rendered. The camera's picture wants MediaPipe's build in the cache (`expllm serve --camera`).
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from PIL import Image

ROOT: Final = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "server"), str(ROOT / "tests" / "web")]

from browsing import FACES, Visit, chromium, write_y4m  # noqa: E402
from serving_expllm import running  # noqa: E402

CLIP: Final = ROOT / "tests" / "clips" / "course.webm"
SHOWN: Final = "(film => !film.seeking && film.readyState >= 3)(document.querySelector('#video video'))"
DESK: Final = {"viewport": {"width": 1360, "height": 940}}


def start(visit: Visit) -> None:
    """The bundled example."""


def claim(visit: Visit) -> None:
    """A claim with the focus; dark."""
    visit.claims.nth(1).focus()


def whatif(visit: Visit) -> None:
    """The smallest change that flips a label."""
    visit.choose("render_surprise.jpg")
    visit.page.get_by_role("button", name="What if?").click()
    visit.page.locator("#whatif .part").first.wait_for()
    visit.page.get_by_role("button", name="Find it").click()
    visit.page.locator(".flip:not(:empty)").wait_for()
    visit.page.wait_for_timeout(1000)
    visit.page.locator("#whatif").scroll_into_view_if_needed()
    visit.page.evaluate("document.querySelector('#whatif').scrollIntoView()")


def side_by_side(visit: Visit) -> None:
    """Three pictures compared."""
    visit.choose("render_happiness.jpg", "render_contempt.jpg")
    for box in visit.page.get_by_label("compare ").all():
        box.check()
    visit.page.evaluate("document.querySelector('#compare').scrollIntoView()")


def narrow(visit: Visit) -> None:
    """As on a telephone."""
    visit.choose("render_contempt.jpg")
    visit.page.evaluate("document.querySelector('#result').scrollIntoView()")


def camera(visit: Visit) -> None:
    """The camera, which sees a render."""
    visit.page.get_by_role("button", name="Camera", exact=True).click()
    visit.page.get_by_label("Everyone in view").check()
    visit.page.get_by_role("button", name="Start the camera").click()
    visit.page.locator("#camera .part").first.wait_for()
    visit.page.evaluate("document.querySelector('#camera').scrollIntoView()")


def video(visit: Visit) -> None:
    """A rendered head, explained over time."""
    visit.page.set_input_files("#file", [str(CLIP)])
    visit.page.locator("#video .timeline").wait_for(timeout=600_000)
    visit.page.locator("#video .episodes button").first.click()
    visit.page.locator("#video .part p").first.wait_for()
    visit.page.wait_for_function(SHOWN)
    visit.page.wait_for_timeout(1000)  # the player's own sign that it seeks fades away
    visit.page.evaluate("document.querySelector('#video').scrollIntoView()")


STATES: Final[tuple[tuple[Callable[[Visit], None], dict[str, Any]], ...]] = (
    (start, DESK),
    (claim, DESK | {"color_scheme": "dark"}),
    (whatif, DESK),
    (side_by_side, DESK),
    (narrow, {"viewport": {"width": 412, "height": 940}}),
    (camera, DESK),
    (video, {"viewport": {"width": 1360, "height": 1240}}),
)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "docs" / "page")
    parser.add_argument("--only", choices=[act.__name__ for act, _ in STATES], help="this picture alone")
    args = parser.parse_args()
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "face.y4m"
        write_y4m(film, [(FACES / "render_surprise.jpg", (90, 90, 90))], seconds=4, rate=2)
        options = (
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        )  # fmt: skip
        with running(port=8000, video=True) as server, chromium(*options) as browser:
            for act, context in STATES:
                if args.only not in (None, act.__name__):
                    continue
                visit = Visit(browser, server, reduced_motion="reduce", **context).open()
                act(visit)
                drawn = Image.open(io.BytesIO(visit.page.screenshot()))
                drawn.convert("RGB").quantize(256).save(out / f"{act.__name__}.png", optimize=True)
                visit.close()


if __name__ == "__main__":
    main()
