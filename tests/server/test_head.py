"""HEAD on every route that answers GET: the same head, and no body."""

import pytest
from serving_expllm import Running

PATHS = (
    "/", "/docs", "/health/live", "/health/ready", "/v1/models", "/v1/vocabulary", "/metrics", "/page/app.js",
    "/openapi.json",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(server: Running, path: str) -> None:
    got, asked = server.ask("GET", path), server.ask("HEAD", path)
    assert (asked.status, asked.body) == (200, b"")
    changing = {"date", "x-request-id", *(["content-length"] if path == "/metrics" else [])}
    assert {k: v for k, v in asked.headers.items() if k not in changing} == {
        k: v for k, v in got.headers.items() if k not in changing
    }


def test_head_of_what_has_no_get_is_an_error_without_a_body(server: Running) -> None:
    for path, status in (("/v1/analyze", 405), ("/nothing", 404), ("/page/nothing", 404)):
        answer = server.ask("HEAD", path)
        assert (answer.status, answer.body) == (status, b"")
    assert server.log == []
