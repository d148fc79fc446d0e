"""A real Chromium that visits a server of ours, and counts whom it asks."""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image
from serving_expllm import ASTRONAUT, Running

CHROMIUM: Final = (
    os.environ.get("EXPLLM_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
)
WAIT_MS: Final = 60_000
"""The machine may be busy."""
FACES: Final = ASTRONAUT.parent
PACKAGES: Final = Path(os.environ.get("EXPLLM_WEB", ".venv/web"))
"""Where `make test-web` keeps npm's packages."""
AXE: Final = "axe-core-4.14.1.tgz"
VIEW: Final = {"width": 1440, "height": 1000}


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="make test-web installs playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *arguments])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page of a server, its example explained.

    Attributes:
        page: Playwright's.
        sent: Every request: method, address, bytes of its body.
        faults: Errors of scripts, and what the console said.
    """

    def __init__(self, browser: Any, server: Running, **context: Any) -> None:
        self._context = browser.new_context(**({"viewport": VIEW} | context))
        self._context.set_default_timeout(WAIT_MS)
        self.server, self.page = server, self._context.new_page()
        self.sent: list[tuple[str, str, int]] = []
        self.faults: list[str] = []
        self._context.on("request", self._note)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)

    def _note(self, request: Any) -> None:
        self.sent.append((request.method, request.url, len(request.post_data_buffer or b"")))

    def _hear(self, said: Any) -> None:
        if said.type == "error" and not said.text.startswith("INFO:"):  # MediaPipe's chat
            self.faults.append(said.text)

    def open(self, path: str = "/", *, explained: bool = True) -> "Visit":
        """Opens it and waits for its first explanation."""
        self.page.goto(self.server.url + path)
        if explained:
            self.text.first.wait_for()
        return self

    @property
    def text(self) -> Any:
        """Parts of the text about the picture."""
        return self.page.locator("#result .part p")

    @property
    def claims(self) -> Any:
        """Marked claims of that text."""
        return self.page.locator("#result .part .mark[role=button]")

    def choose(self, *names: str) -> None:
        """Chooses files of the examples' folder and waits until the last is shown."""
        entries = self.page.locator("#history .entry")
        before = entries.count() or 1  # one alone is not listed
        self.page.set_input_files("#file", [str(FACES / name) for name in names])
        entries.nth(before + len(names) - 1).wait_for()
        self.page.locator("#status:empty").wait_for(state="attached")

    def label(self, within: str = "#result") -> str:
        """The label that is shown."""
        text: str = self.page.locator(f"{within} .label").inner_text()
        return text.split(maxsplit=1)[0]

    def elsewhere(self) -> list[str]:
        """Addresses of other hosts that were asked."""
        ours = (self.server.url, "blob:", "data:")
        return [url for _, url, _ in self.sent if not url.startswith(ours)]

    def close(self) -> None:
        """Ends it: nobody else was asked, and nothing went wrong in it."""
        self._context.close()
        assert self.elsewhere() == []
        assert self.faults == [], self.faults


@contextmanager
def visiting(browser: Any, server: Running, **context: Any) -> Iterator[Visit]:
    """A visit that is over at the end of the block."""
    visit = Visit(browser, server, **context)
    yield visit.open()
    visit.close()


def npm_package(name: str) -> bytes:
    """A package as npm packs it; the test is skipped where it is missing."""
    path = PACKAGES / name
    if not path.is_file():
        pytest.skip(f"{name} is missing: make test-web gets it")
    return path.read_bytes()


def axe_violations(visit: Visit) -> list[str]:
    """What axe-core finds, WCAG 2.2 A and AA; the test is skipped where it is not installed.

    The visit must bypass the page's own policy: it rightly forbids foreign scripts.
    """
    with tarfile.open(fileobj=io.BytesIO(npm_package(AXE))) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        visit.page.add_script_tag(content=script.read().decode())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = visit.page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def write_y4m(path: Path, pictures: list[tuple[Path, tuple[int, int, int]]], seconds: int, rate: int) -> None:
    """A film for the fake camera, 640 by 480; a square in its corner has the colour of each picture."""
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F%d:1 Ip A1:1 C420jpeg\n" % rate)
        for picture, colour in pictures:
            frame = Image.new("RGB", (640, 480), (90, 90, 90))
            frame.paste(Image.open(picture).resize((480, 480)), (80, 0))
            frame.paste(colour, (0, 0, 64, 64))
            luma, blue, red = (np.asarray(one) for one in frame.convert("YCbCr").split())
            planes = luma.tobytes() + halved(blue) + halved(red)
            file.write((b"FRAME\n" + planes) * (seconds * rate))


def halved(plane: Any) -> bytes:
    """A plane of colour at half the size."""
    small = plane.reshape(240, 2, 320, 2).mean(axis=(1, 3)).round().astype(np.uint8)
    return bytes(small.tobytes())
