"""Faces that come at the same time are explained together, and say the same as alone."""

import base64
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextlib import closing
from typing import Any

import pytest
from openai import OpenAI
from serving_expllm import ASTRONAUT, portrait, running
from waiting import HANG_S

from expllm.core.errors import UsageError
from expllm.files.images import open_frames
from expllm.predict import FaceAnswer, FaceInput
from expllm.predict.predictor import MeasuredFace, Predictor
from expllm.predict.rules import RuleExplainer
from expllm.server.batching import ModelThread
from expllm.server.served_models import ServedModels


@pytest.fixture(scope="module")
def predictor() -> Iterator[Predictor]:
    with Predictor() as predictor:
        yield predictor


@pytest.fixture(scope="module")
def faces(predictor: Predictor) -> list[MeasuredFace]:
    seen = []
    for name in ("astronaut.jpg", "render_pair.jpg"):
        with closing(open_frames(ASTRONAUT.parent / name)) as frames:
            seen += predictor.measure_frames(frames).faces
    return seen


def test_faces_are_put_together_and_answered_each(predictor: Predictor, faces: list[MeasuredFace]) -> None:
    thread = ModelThread(together=3, wait=HANG_S)
    asked = [thread.explain(predictor, [face], write=True) for face in faces]
    wait(asked, HANG_S)  # three faces fill a batch: nobody waits for more
    assert thread.batches == 1
    assert [one.result()[0] for one in asked] == predictor.explain(faces)
    thread.close()


def test_labels_and_texts_are_asked_apart(predictor: Predictor, faces: list[MeasuredFace]) -> None:
    thread = ModelThread(together=3, wait=0.05)
    with_text = thread.explain(predictor, faces[:1], write=True)
    without = thread.explain(predictor, faces[1:], write=False)
    assert with_text.result(HANG_S)[0].cot is not None
    assert [one.cot for one in without.result(HANG_S)] == [None, None]
    assert thread.batches == 2
    thread.close()


def test_what_was_called_off_is_not_explained(predictor: Predictor, faces: list[MeasuredFace]) -> None:
    thread, go = ModelThread(together=1, wait=0.0), threading.Event()

    def heard(_: str) -> bool:
        return go.wait(HANG_S)

    first = thread.stream(predictor, faces[0], heard)
    second = thread.explain(predictor, faces[1:2], write=True)
    assert second.cancel()
    go.set()
    assert first.result(HANG_S)[0].cot is not None
    thread.close()
    assert thread.batches == 1


def test_a_text_that_nobody_hears_ends(predictor: Predictor, faces: list[MeasuredFace]) -> None:
    thread = ModelThread(together=1, wait=0.0)
    (left,) = thread.stream(predictor, faces[0], lambda _: False).result(HANG_S)
    assert left == faces[0].analysis
    thread.close()


class Particular(RuleExplainer):
    """Cannot explain faces without measured brows, and then explains none of a batch."""

    def explain(self, faces: Sequence[FaceInput], *, write: bool = True) -> list[FaceAnswer]:
        if any(face.hidden for face in faces):
            raise ValueError("a face is hidden")
        return super().explain(faces, write=write)


def test_a_face_that_cannot_be_explained_fails_alone(faces: list[MeasuredFace]) -> None:
    thread = ModelThread(together=2, wait=HANG_S)
    with Predictor(explainer=Particular()) as predictor:
        hidden = MeasuredFace(faces[1].analysis, FaceInput(None, faces[1].input.aus, hidden=True))
        good, bad = (thread.explain(predictor, [face], write=True) for face in (faces[0], hidden))
        assert good.result(HANG_S)[0].expression == "happiness"
        with pytest.raises(ValueError, match="hidden"):
            bad.result(HANG_S)
    thread.close()


def test_models_have_names_of_their_own() -> None:
    assert ServedModels(("offline",)).names == ("offline",)
    with pytest.raises(UsageError, match="no model"):
        ServedModels(("nowhere/at/all",))


@pytest.mark.parametrize("model", ["chat:gpt-4o", "endpoint:http://127.0.0.1:1/v1"])
def test_models_that_would_send_pictures_elsewhere_are_not_served(model: str) -> None:
    with pytest.raises(UsageError, match="elsewhere"):
        ServedModels((model,))


def stream(url: str, model: str) -> Any:
    """The chunks of a streamed explanation of the portrait."""
    uri = "data:image/jpeg;base64," + base64.b64encode(portrait()).decode()
    messages: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield from client.chat.completions.create(model=model, messages=messages, stream=True)


@pytest.mark.slow
def test_the_model_that_ships_is_served_and_answers_in_batches() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with running(models=("compact",), workers=2) as server, ThreadPoolExecutor(4) as clients:
        assert [one["id"] for one in server.ask("GET", "/v1/models").json["data"]] == ["compact", "offline"]
        alone = server.analyze(portrait(), "?explain=false").json
        assert alone["model"] == "compact"
        together = [clients.submit(server.analyze, portrait(), "?explain=false") for _ in range(4)]
        for one in together:
            (face,), (expected,) = one.result(HANG_S).json["faces"], alone["faces"]
            assert face["provenance"] == expected["provenance"]
            assert face["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-3)
        assert server.analyze(portrait(), "?labels=7").json["model"] == "offline"
        chunks = list(stream(server.url, "compact"))
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert len(chunks) > 3
        assert said == (chunks[-1].model_extra or {})["expllm"]["explanation"]["text"]
        assert server.analyze(portrait(), "?labels=7&model=compact").status == 400
        assert server.analyzer._model_threads["compact"].batches < 6
        assert server.log == []
