"""`expllm eval` with a chat model in the place of a trained one."""

from pathlib import Path

import pytest
from calling import call
from conftest import ASTRONAUT
from serving import served


def test_an_evaluation_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "\n".join(f"{name},{ASTRONAUT},{label}" for name, label in (("a", "happiness"), ("b", "fear")))
    (tmp_path / "faces.csv").write_text(f"id,image,label\n{rows}\n")
    with served(lambda _: "happiness") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        out = ("-o", tmp_path / "run")
        shown = call("eval", "accuracy", "chat:m", tmp_path / "faces.csv", *out, "--quiet")
    assert shown.code == 0, shown.err
    assert "50" in shown.out
    assert call("eval", "rescore", tmp_path / "run").out == shown.out
