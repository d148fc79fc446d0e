"""A browser plays the annotated video to its end."""

import base64
from pathlib import Path
from typing import Any

import pytest
from faces_in_motion import smile_video

import expllm
from expllm.video.annotated import write_annotated
from expllm.video.clip import Clip

pytestmark = pytest.mark.slow
PLAYED = """(address) => new Promise((resolve) => {
  const video = Object.assign(document.createElement("video"), {src: address, muted: true, playbackRate: 4});
  video.onerror = () => resolve({error: video.error.message});
  video.onended = () => resolve({duration: video.duration, time: video.currentTime, width: video.videoWidth});
  document.body.append(video);
  video.play();
})"""


def test_chromium_plays_the_annotated_video_to_its_end(browser: Any, tmp_path: Path) -> None:
    with expllm.analyze_video(smile_video()) as analysis, Clip(smile_video()) as clip:
        write_annotated(tmp_path / "annotated.webm", clip, analysis)
    data = base64.b64encode((tmp_path / "annotated.webm").read_bytes()).decode()
    page = browser.new_page()
    page.goto("about:blank")
    found = page.evaluate(PLAYED, f"data:video/webm;base64,{data}")
    page.close()
    assert "error" not in found, found
    assert found["width"] == 256
    assert found["time"] == pytest.approx(found["duration"])
    assert found["duration"] == pytest.approx(6.0, abs=0.2)
