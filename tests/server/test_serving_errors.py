"""Errors in the middle of an answer: what the client is shown, and what the log has."""

import pytest

from expllm.core.errors import ImageError, MissingWeights
from expllm.server.http_errors import ApiError, while_streaming


@pytest.mark.parametrize(
    ("error", "status", "code", "logged"),
    [
        (ApiError(422, "no", "face_not_measured"), 422, "face_not_measured", None),
        (ImageError("a.jpg: is cut short"), 422, "invalid_image", None),
        (TimeoutError(), 504, "timeout", None),
        (
            MissingWeights("/srv/weights: gone"),
            503,
            "model_unavailable",
            "MissingWeights: /srv/weights: gone",
        ),
        (ValueError("/srv/secret"), 500, "internal_error", "internal error: ValueError; please report it"),
    ],
)
def test_each_error_has_one_answer(error: Exception, status: int, code: str, logged: str | None) -> None:
    log: list[str] = []
    answer = while_streaming(error, log.append)
    assert (answer.status_code, answer.code) == (status, code)
    assert "/srv" not in answer.detail
    assert log == ([] if logged is None else [logged])
