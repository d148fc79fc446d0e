"""What a model is shown of an episode: three pictures and what moves when; and the thumbnails of a report."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from faces_in_motion import smile_video
from PIL import Image
from serving import served
from waiting import HANG_S

import expllm
from expllm.data import open_dataset
from expllm.grounding.times import WRONG_TIMES
from expllm.predict import ChatOptions, open_explainer
from expllm.video.analysis import TemporaryAnalysis
from expllm.video.apexpictures import (
    THUMBNAIL,
    apex_name,
    explained_by,
    told_events,
    write_apex_faces,
)
from expllm.video.clip import Clip
from expllm.video.course_tables import apexes_into
from expllm.video.story import audit_story, peaks_of
from expllm.video.timelinepage import write_timeline

TEXT = (
    "**Key Observations:** First, both lip corners are strongly pulled up, for about 1.7 s.\n\n"
    "**Overall Emotional Interpretation:** The smile speaks for joy.\n\n"
    "**Conclusion:** The face shows happiness."
)


@pytest.fixture(scope="module")
def smiling() -> TemporaryAnalysis:
    return expllm.analyze_video(smile_video(), name="smile")


@pytest.mark.usefixtures("impatient")
def test_a_chat_model_sees_onset_apex_and_offset_and_is_told_the_events(smiling: TemporaryAnalysis) -> None:
    with served(lambda _: TEXT) as server:
        chat = ChatOptions(base_url=server.url, key_env="EXPLLM_TEST_KEY", timeout=HANG_S)
        explainer = open_explainer("chat:vision-1", chat=chat)
        try:
            with Clip(smile_video()) as clip:
                episodes = explained_by(explainer, clip, smiling)
        finally:
            explainer.close()
        requests = [json.loads(seen.body or b"") for seen in server.seen]
    assert len(requests) == len(episodes) == len(smiling.episodes)
    *pictures, question = requests[0]["messages"][0]["content"]
    onset, apex, offset = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one["image_url"]["url"].partition(",")[2]))))
        for one in pictures
    )
    assert len({picture.tobytes() for picture in (onset, apex, offset)}) == 3
    for line in told_events(smiling.episodes[0]):
        assert line in question["text"]
    (episode, *_) = episodes
    assert episode.writer == "chat:vision-1"
    assert episode.expression == expllm.Expression.HAPPINESS
    assert episode.cot is not None
    peaks = peaks_of(smiling.course_of(episode), episode)
    _, times = audit_story(episode.cot.text, episode, peaks)
    assert times
    assert not [one for one in times if one.verdict in WRONG_TIMES]


def test_events_are_told_in_their_order(smiling: TemporaryAnalysis) -> None:
    (first, *_) = smiling.episodes
    onsets = [float(re.findall(r": 0:(\d\d\.\d) to", line)[0]) for line in told_events(first)]
    assert onsets == sorted(onsets)
    assert len(onsets) == len(first.events)


def test_a_report_shows_the_face_at_each_apex(smiling: TemporaryAnalysis, tmp_path: Path) -> None:
    (tmp_path / "9999.jpg").write_bytes(b"of an earlier run")
    with Clip(smile_video()) as clip:
        faces = write_apex_faces(tmp_path, clip, smiling)
    assert {path.name for path in tmp_path.iterdir()} == {apex_name(one) for one in smiling.episodes}
    assert set(faces) == {episode.number for episode in smiling.episodes}
    assert all(32 < max(Image.open(io.BytesIO(face)).size) <= THUMBNAIL for face in faces.values())
    write_timeline(tmp_path / "r.html", "smile", smiling, faces)
    page = (tmp_path / "r.html").read_text()
    assert page.count('class="apex-face"') == len(faces)
    write_timeline(tmp_path / "r.html", "smile", smiling)
    assert "apex-face" not in (tmp_path / "r.html").read_text().split("<main")[1]


def test_the_engine_is_given_the_face_at_each_apex(smiling: TemporaryAnalysis, tmp_path: Path) -> None:
    with Clip(smile_video()) as clip:
        write_apex_faces(tmp_path / "apexes", clip, smiling)
    pictures = {one.number: f"apexes/{apex_name(one)}" for one in smiling.episodes}
    with (tmp_path / "apexes.csv").open("w") as file:
        apexes_into(file, "smile.webm", smiling, pictures)
    samples = list(open_dataset(str(tmp_path / "apexes.csv")))
    assert len(samples) == len(smiling.episodes)
    for sample in samples:
        assert sample.image is not None
        assert Image.open(sample.image.path).format == "JPEG"
        assert sample.box is None
        assert sample.aus is not None
