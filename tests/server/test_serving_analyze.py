"""`/v1/analyze`: real pictures over a real socket, and the same answers as `Predictor`."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving_expllm import JPEG, Running, form, portrait, running

from expllm.core.records import FaceAnalysis
from expllm.predict.predictor import Predictor


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def blank(width: int = 64, height: int = 64) -> bytes:
    return encoded(Image.new("RGB", (width, height), "gray"))


def test_a_picture_is_analyzed_as_by_the_predictor(server: Running) -> None:
    answer = server.analyze(portrait())
    assert answer.status == 200, answer.body
    assert answer.json["object"] == "analysis"
    assert answer.json["model"] == "offline"
    with Predictor(labels=8) as predictor:
        (expected,) = predictor.analyze(portrait(), name="picture")
    (found,) = answer.json["faces"]
    assert FaceAnalysis.from_dict(found).to_json() == expected.to_json()


def test_a_form_gives_the_same_under_the_files_name(server: Running) -> None:
    body, headers = form(("image", "me.jpg", portrait()))
    answer = server.ask("POST", "/v1/analyze", body, headers)
    (face,) = answer.json["faces"]
    assert face["input"] == "me.jpg"
    assert face["expression"] == "happiness"


def test_no_label_is_a_claim_that_nothing_moves(server: Running) -> None:
    (face,) = server.analyze(portrait()).json["faces"]
    assert face["aus"]["jaw thrust"] is None


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("?explain=false", lambda face: face["cot"] is None and face["expression"] == "happiness"),
        ("?labels=7", lambda face: "contempt" not in face["probabilities"]),
        ("?landmarks=true", lambda face: len(face["landmarks"]) == 478),
        ("", lambda face: "landmarks" not in face),
    ],
)
def test_options_of_the_query(server: Running, query: str, seen: Any) -> None:
    (face,) = server.analyze(portrait(), query).json["faces"]
    assert seen(face)


def test_mirrored_swaps_the_sides(server: Running) -> None:
    (face,) = server.analyze(portrait()).json["faces"]
    (mirrored,) = server.analyze(portrait(), "?mirrored=true").json["faces"]
    assert mirrored["aus"]["left lip corner pull"] == face["aus"]["right lip corner pull"]
    assert mirrored["aus"]["left lip corner pull"] != mirrored["aus"]["right lip corner pull"]


def test_a_picture_without_a_face_says_so(server: Running) -> None:
    answer = server.analyze(blank())
    assert answer.status == 200
    assert answer.json["faces"] == []
    assert answer.json["warnings"] == ["No face was found."]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (portrait()[:3000], "cut short"),
        (blank()[:20] + b"x" * 200 + blank()[-12:], "broken PNG"),
        (b"<html></html>", "picture"),
        (encoded(Image.fromarray(np.zeros((6400, 6400), np.uint8)), "PNG"), "too large"),
    ],
    ids=["cut", "broken", "page", "pixels"],
)
def test_what_is_no_picture_gets_the_packages_own_line(server: Running, data: bytes, said: str) -> None:
    answer = server.analyze(data)
    assert answer.status == 422
    assert answer.error["code"] == "invalid_image"
    assert answer.error["type"] == "invalid_request_error"
    assert said in answer.error["message"]


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        ("/v1/analyze?model=gpt-9", 404, "model"),
        ("/v1/analyze?labels=9", 400, "labels"),
        ("/v1/analyze?explain=perhaps", 400, "explain"),
        ("/v1/analyze?explian=false", 400, "explian"),
        ("/v1/nothing", 404, None),
    ],
)
def test_questions_that_make_no_sense(server: Running, path: str, status: int, param: str | None) -> None:
    answer = server.ask("POST", path, portrait(), JPEG)
    assert answer.status == status
    assert answer.error["param"] == param


def test_other_methods_are_named(server: Running) -> None:
    answer = server.ask("GET", "/v1/analyze")
    assert answer.status == 405
    assert answer.error["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST"
    assert server.ask("PUT", "/page/app.js").headers["allow"] == "GET"


def test_a_path_of_several_routes_allows_them_all() -> None:
    with running(video=True) as server:
        assert server.ask("PUT", "/v1/video/x").headers["allow"] == "DELETE, GET"
        assert server.ask("PUT", "/v1/video/x/result").headers["allow"] == "GET"


def test_a_broken_form_is_told_to_its_client_alone(
    server: Running, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    body = b'--edge\r\nContent-Disp\rosition: form-data; name="image"\r\n\r\nx\r\n--edge--\r\n'
    answer = server.ask("POST", "/v1/analyze", body, {"Content-Type": "multipart/form-data; boundary=edge"})
    assert (answer.status, answer.error["code"]) == (400, "invalid_form")
    assert (caplog.records, capfd.readouterr().err, server.log) == ([], "", [])


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JPEG),
        form(),
        form(("picture", "a.jpg", b"x")),
        (b'--edge\r\nContent-Disposition: form-data; name="image"\r\n\r\ntext\r\n--edge--\r\n', form()[1]),
        (b"no form", form()[1]),
        (b"x", {"Content-Type": "multipart/form-data"}),
    ],
    ids=["empty", "no files", "other field", "text", "broken", "no boundary"],
)
def test_requests_without_a_picture(server: Running, body: bytes, headers: dict[str, str]) -> None:
    answer = server.ask("POST", "/v1/analyze", body, headers)
    assert answer.status == 400
    assert answer.error["code"] in ("missing_image", "invalid_form")


def test_a_batch_has_one_line_an_input_in_order(server: Running) -> None:
    body, headers = form(
        ("image", "a.jpg", portrait()), ("image", "b.jpg", b"no picture"), ("image", "c.png", blank())
    )
    answer = server.ask("POST", "/v1/analyze/batch", body, headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [(line["index"], line["input"]) for line in lines] == [(0, "a.jpg"), (1, "b.jpg"), (2, "c.png")]
    assert [line["object"] for line in lines] == ["analysis", "error", "analysis"]
    assert lines[1]["error"]["code"] == "invalid_image"
    assert lines[2]["faces"] == []


def test_a_batch_of_more_than_sixteen_is_refused(server: Running) -> None:
    body, headers = form(*[("image", "a.jpg", b"x")] * 17)
    answer = server.ask("POST", "/v1/analyze/batch", body, headers)
    assert answer.status == 400
    assert "16" in answer.error["message"]


def test_nothing_is_kept_from_one_request_to_the_next(server: Running) -> None:
    """Answers are marked so that no browser or proxy keeps them, and each has an id of its own."""
    first, second = server.analyze(blank()), server.analyze(blank())
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert server.analyzer.queue.taken == 0
