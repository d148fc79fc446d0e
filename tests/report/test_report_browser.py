"""The page in a real browser, where one is installed."""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import HANG_S

from expllm.core.records import Box, CoT, FaceAnalysis
from expllm.core.vocabulary import AU_NAMES, AUVector, Expression
from expllm.files.images import Picture
from expllm.report import HtmlReport

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
).split()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH: the page is not looked at"),
]

RED, TEAL = (200, 30, 30), (11, 114, 133)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    analysis = FaceAnalysis(
        input='"><script>document.title="broken in"</script>.png', face_id=0, status="ok",
        box=Box(x=20, y=20, width=40, height=40), expression=Expression.FEAR,
        probabilities={Expression.FEAR: 1.0}, aus=AUVector(dict.fromkeys(AU_NAMES, 1.0)),
        cot=CoT(key_observations="a", overall_emotional_interpretation="b", conclusion="c"),
    )  # fmt: skip
    with path.open("w", encoding="utf-8") as file, HtmlReport(file, title="Page") as page:
        page.add(Picture(np.full((100, 100, 3), RED, np.uint8), "red", (100, 100)), [analysis])
    return path


def browse(page: Path, folder: Path, *flags: str) -> str:
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG_S).stdout


def shot(page: Path, folder: Path, size: tuple[int, int], *flags: str) -> Image.Image:
    target = folder / "shot.png"
    browse(page, folder, f"--screenshot={target}", f"--window-size={size[0]},{size[1]}", *flags)
    return Image.open(io.BytesIO(target.read_bytes())).convert("RGB")


def near(image: Image.Image, colour: tuple[int, int, int]) -> int:
    """How many pixels have `colour`, give or take the JPEG."""
    distance = np.abs(np.asarray(image, dtype=int) - colour).max(axis=-1)
    return int((distance < 6).sum())


def test_the_picture_and_the_bars_are_seen(report: Path, tmp_path: Path) -> None:
    image = shot(report, tmp_path, (1300, 1400))
    assert near(image, RED) > 50_000
    assert near(image, TEAL) > 1_000
    assert near(image, (251, 250, 247)) > 500_000


def test_dark_mode_turns_the_paper_dark(report: Path, tmp_path: Path) -> None:
    image = shot(report, tmp_path, (1300, 1400), "--blink-settings=preferredColorScheme=0")
    assert near(image, (18, 23, 29)) > 500_000


def test_a_phone_needs_no_sideways_scrolling(report: Path, tmp_path: Path) -> None:
    # A frame of 390 px: a headless window itself is never narrower than 500.
    frame = tmp_path / "phone.html"
    frame.write_text(
        f'<body style="margin:0;background:#fff"><iframe src="{report.as_uri()}" '
        'style="border:0;width:390px;height:2400px"></iframe>'
    )
    image = shot(frame, tmp_path, (500, 2400))
    bars = np.asarray(image.crop((0, 0, 390, 2400)), dtype=int)
    assert near(image.crop((0, 0, 390, 2400)), RED) > 50_000
    assert (np.abs(bars[:, 378:] - (251, 250, 247)).max(axis=-1) < 3).all()  # the margin stays empty


def test_a_hostile_name_runs_nothing(report: Path, tmp_path: Path) -> None:
    assert "<title>Page</title>" in browse(report, tmp_path, "--dump-dom")
