"""Uploading to a hub on loopback, and the card."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hubserver import hub
from smallmodels import shared_bundle

from expllm.core.errors import MissingWeights, UsageError
from expllm.model.checkpoint import load_model, save
from expllm.model.hub.push import PushError, _body, _front_matter, model_card, published_files, push
from expllm.model.manifest import Manifest
from expllm.model.presets import PRESETS, preset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    save(path, shared_bundle(), {"figures": {"accuracy": 0.91, "odd | name": "a\nb"}, "secret": "/home/me"})
    return path


def test_what_was_uploaded_is_a_whole_model(folder: Path, tmp_path: Path) -> None:
    (folder / "private.txt").write_text("mine")
    with hub() as server:
        address = push(folder, "someone/faces", private=True, endpoint=server.url, token="hf_test")
    (folder / "private.txt").unlink()
    assert address.endswith("/someone/faces/commit/1")
    assert server.repos[0]["name"] == "faces"
    assert server.repos[0]["organization"] == "someone"
    assert server.repos[0].get("private") or server.repos[0].get("visibility") == "private"
    assert server.tokens == {"Bearer hf_test"}
    assert set(server.files) == {path.name for path in folder.iterdir()} | {"README.md"}
    for name, content in server.files.items():
        (tmp_path / name).write_bytes(content)
    assert load_model(tmp_path).preset == PRESETS["tiny"]


@pytest.mark.parametrize(("status", "words"), [(401, "hf auth login"), (403, "may write"), (500, "refuses")])
def test_a_hub_that_refuses(folder: Path, status: int, words: str) -> None:
    with hub(refuse=status) as server, pytest.raises(PushError, match=words) as caught:
        push(folder, "someone/faces", endpoint=server.url, token="hf_test")
    assert "hf_test" not in caught.value.line
    assert caught.value.exit_code == 1


def test_no_hub_and_no_such_name(folder: Path) -> None:
    with pytest.raises(PushError, match="cannot be reached"):
        push(folder, "someone/faces", endpoint="http://127.0.0.1:9", token="hf_test")
    with pytest.raises(PushError, match="not a repository name"):
        push(folder, "a/b/c", endpoint="http://127.0.0.1:9", token="hf_test")


def test_a_damaged_model_is_not_uploaded(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "projector.safetensors").write_bytes(b"")
    with hub() as server, pytest.raises(MissingWeights):
        push(tmp_path, "someone/faces", endpoint=server.url, token="hf_test")
    assert server.files == {}
    with pytest.raises(UsageError):
        published_files(tmp_path / "missing")


def front(manifest: Manifest) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(_front_matter(manifest).strip("-\n"))
    return found


def manifest_of(name: str) -> Manifest:
    bundle = shared_bundle()
    return Manifest(preset(name), bundle.labels, bundle.questions)


def test_front_matter() -> None:
    assert front(manifest_of("paper")) == {
        "license": "llama2", "language": "en", "library_name": "peft", "pipeline_tag": "image-text-to-text",
        "base_model": ["facebook/dinov2-large", "lmsys/vicuna-7b-v1.5"],
        "tags": ["expllm", "facial-expression-recognition", "action-units", "chain-of-thought"],
    }  # fmt: skip
    assert front(manifest_of("compact"))["license"] == "apache-2.0"
    assert "base_model" not in front(manifest_of("tiny"))
    assert front(manifest_of("hf:Qwen/Qwen2.5-VL-3B-Instruct"))["base_model"] == [
        "Qwen/Qwen2.5-VL-3B-Instruct"
    ]
    assert front(manifest_of("hf:Qwen/Qwen2.5-VL-3B-Instruct"))["license"] == "other"


def test_the_card_says_what_the_law_and_owners_ask(folder: Path) -> None:
    card = model_card(folder)
    for words in ("| accuracy | 0.91 |", "| odd \\| name | a b |", "Article 5(1)(f)", "neutral, happiness",
                  "non-commercial research", "not feelings"):  # fmt: skip
        assert words in card, words
    assert "/home/me" not in card
    body = "\n".join(_body(replace(manifest_of("paper"), trained=("tower",))))
    assert "Llama 2 Community License" in body
    assert "Trained whole, and here: tower" in body
    assert "None were saved" in body


def test_folders_of_this_machine_stay_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "model").mkdir(parents=True)
    assert "base_model" not in front(manifest_of("hf:my/model"))
    assert "base_model" not in front(manifest_of(f"hf:{tmp_path}"))
