"""Labels of episodes: of what moves, and of the face as it is where nothing is taken off."""

import numpy as np
import pytest

from expllm.core.vocabulary import AU_NAMES, Expression
from expllm.video.analysis import VideoAnalysis, VideoOptions
from expllm.video.clip import ClipInfo
from expllm.video.courses import Rest
from expllm.video.faceshape import FaceShape
from expllm.video.readings import Doubt, FaceReading
from expllm.video.stretch_store import StretchesInMemory
from expllm.video.stretches import StretchDraft


def analysis_of(values: dict[str, np.ndarray], rest: Rest) -> VideoAnalysis:
    """A face that was read at 25 frames a second; its other units are at 0."""
    draft = StretchDraft(0, size=(640, 480))
    for row in range(len(next(iter(values.values())))):
        draft.frames.append((row, row / 25, True, False))
        units = tuple(float(values[unit][row]) if unit in values else 0.0 for unit in AU_NAMES)
        draft.faces.append((row, FaceReading(0, (0, 0, 200, 200), 1.0, (0, 0, 0), units, Doubt(0))))
    draft.shapes[0] = FaceShape(np.zeros(20, np.float32))
    store = StretchesInMemory()
    store.write(draft.finished(()))
    info = ClipInfo("clip", "readings", "none", 640, 480, 25.0, None, len(draft.frames))
    return VideoAnalysis(store, info, VideoOptions(rest=rest))


def bump(frames: int, peak: float) -> np.ndarray:
    times = np.arange(frames) / 25
    return peak * np.clip(np.minimum(times - 3.0, 5.0 - times) / 0.3, 0, 1)


def sides(action: str, values: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{side} {action}": values for side in ("left", "right")}


@pytest.fixture(scope="module")
def brows_above_a_resting_smile() -> dict[str, np.ndarray]:
    return sides("lip corner pull", np.full(200, 0.3)) | sides("brow raise", bump(200, 0.8))


def test_a_resting_face_that_reads_as_a_smile_makes_nothing_happy(
    brows_above_a_resting_smile: dict[str, np.ndarray],
) -> None:
    (episode,) = analysis_of(brows_above_a_resting_smile, Rest()).episodes
    assert {event.unit for event in episode.events} == {"left brow raise", "right brow raise"}
    assert episode.expression is not Expression.HAPPINESS
    assert episode.cot is not None
    assert "No typical sign" not in episode.cot.text
    assert "happiness" not in episode.cot.conclusion


def test_without_a_baseline_the_face_is_labelled_as_it_is(
    brows_above_a_resting_smile: dict[str, np.ndarray],
) -> None:
    smiling = analysis_of(brows_above_a_resting_smile, Rest(auto=False)).episodes
    assert any(episode.expression is Expression.HAPPINESS for episode in smiling)


def test_a_smile_above_a_resting_smile_is_still_happy() -> None:
    values = sides("lip corner pull", np.maximum(0.3, bump(200, 0.9)))
    (episode,) = analysis_of(values, Rest()).episodes
    assert episode.expression is Expression.HAPPINESS
