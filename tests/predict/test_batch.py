"""Many inputs on several threads: order kept, errors as outcomes, work bounded, models closed."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import pytest
from conftest import ASTRONAUT

from expllm.core.errors import ImageError, MissingWeights
from expllm.core.records import FaceAnalysis
from expllm.files.images import Picture
from expllm.predict import FaceInput
from expllm.predict.batch import AHEAD, ImageToOpen, analyze_many, default_workers
from expllm.predict.predictor import MeasuredFace, Predictor


class Slow(Predictor):
    """Stands for a model where timing is the subject: slower for dark pictures, counts who is open."""

    opened = 0
    closed = 0

    def __init__(self) -> None:
        type(self).opened += 1
        self.thread: int | None = None

    def measure(self, picture: Picture) -> list[MeasuredFace]:
        assert self.thread in (None, threading.get_ident()), "a predictor was shared by two threads"
        self.thread = threading.get_ident()
        time.sleep(0.02 if picture.pixels[0, 0, 0] == 0 else 0.001)
        return [MeasuredFace(FaceAnalysis(input=picture.name, status="ok"), FaceInput(None, None))]

    def explain(self, faces: Sequence[MeasuredFace], *, write: bool | None = None) -> list[FaceAnalysis]:
        return [face.analysis for face in faces]

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture(autouse=True)
def _reset() -> None:
    for kind in (Slow, Together):
        kind.opened = kind.closed = 0


def bmp(shade: int) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((2, 2, 3), shade, np.uint8)).save(file, "BMP")
    return file.getvalue()


def test_order_is_that_of_the_inputs_and_errors_are_outcomes() -> None:
    sources = [ImageToOpen(str(i), bmp(0 if i % 5 == 0 else 255)) for i in range(40)]
    sources[7] = ImageToOpen("7", b"not a picture")
    outcomes = list(analyze_many(sources, Slow, workers=4))
    assert [outcome.name for outcome in outcomes] == [str(i) for i in range(40)]
    assert [outcome.name for outcome in outcomes if outcome.error] == ["7"]
    assert isinstance(outcomes[7].error, ImageError)
    assert outcomes[7].picture is None
    assert Slow.opened == Slow.closed
    assert 1 <= Slow.opened <= 4


def test_inputs_are_taken_only_as_work_gets_done() -> None:
    taken = 0

    def endless() -> Iterator[ImageToOpen]:
        nonlocal taken
        while True:
            taken += 1
            yield ImageToOpen("x", bmp(255))

    outcomes = analyze_many(endless(), Slow, workers=2)
    for _ in range(10):
        next(outcomes)
    assert taken <= 10 + 2 * AHEAD
    outcomes.close()  # type: ignore[attr-defined]
    assert Slow.opened == Slow.closed


def test_missing_weights_are_found_before_any_picture_is_opened() -> None:
    def missing() -> Predictor:
        raise MissingWeights("no model")

    with pytest.raises(MissingWeights):
        next(analyze_many([ImageToOpen("x", bmp(0))], missing))


def test_addresses_need_permission() -> None:
    (outcome,) = analyze_many([ImageToOpen("http://127.0.0.1/x.jpg")], Slow, workers=1)
    assert outcome.error is not None


def test_real_models_on_two_threads_agree_with_one() -> None:
    sources = [ImageToOpen(str(i), ASTRONAUT.read_bytes()) for i in range(6)]

    def results(workers: int) -> list[list[str]]:
        outcomes = analyze_many(sources, lambda: Predictor(explain=False), workers=workers)
        return [[face.to_json(landmarks=True) for face in outcome.analyses] for outcome in outcomes]

    assert results(2) == results(1)
    assert default_workers() >= 1


class Together(Slow):
    """Likes three faces at once, and cannot explain a dark one."""

    batch_size = 3
    batches: ClassVar[list[int]] = []

    def measure(self, picture: Picture) -> list[MeasuredFace]:
        shown = FaceInput(None, None)
        face = MeasuredFace(FaceAnalysis(input=picture.name, status="ok"), shown)
        return [face] * (2 if picture.pixels[0, 0, 0] else 1)

    def explain(self, faces: Sequence[MeasuredFace], *, write: bool | None = None) -> list[FaceAnalysis]:
        assert threading.current_thread() is threading.main_thread()
        self.batches.append(len(faces))
        if len(faces) == 1:
            raise RuntimeError("no memory")
        return [face.analysis for face in faces]


def test_faces_of_several_pictures_are_explained_together() -> None:
    Together.batches = []
    sources = [ImageToOpen(str(i), bmp(255)) for i in range(4)]
    sources[1:1] = [ImageToOpen("bad", b"no")]
    sources.append(ImageToOpen("dark", bmp(0)))
    outcomes = list(analyze_many(sources, Together, workers=3))
    assert Together.batches == [4, 4, 1]
    assert [outcome.name for outcome in outcomes] == ["0", "bad", "1", "2", "3", "dark"]
    assert [len(outcome.analyses) for outcome in outcomes] == [2, 0, 2, 2, 2, 0]
    assert [one.input for outcome in outcomes for one in outcome.analyses] == list("00112233")
    assert "cannot be explained (RuntimeError: no memory)" in str(outcomes[-1].error)
    assert all(outcome.seen == [] for outcome in outcomes)


def test_a_run_of_batches_that_is_broken_off_closes_all() -> None:
    outcomes = analyze_many((ImageToOpen("x", bmp(255)) for _ in range(99)), Together, workers=2)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert Together.opened == Together.closed
