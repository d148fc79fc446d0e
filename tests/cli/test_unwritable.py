"""Outputs that cannot be written, or would be written over what is read: one line, and nothing changed."""

from pathlib import Path

import pytest
from calling import call, class_folders
from conftest import ASTRONAUT, ROOT
from randommodels import run_with_model

COMMANDS = {
    "analyze": ("analyze", ASTRONAUT, "-o", "OUT.csv"),
    "analyze --overlay": ("analyze", ASTRONAUT, "--overlay", "OUT", "-q"),
    "aus": ("aus", ASTRONAUT, "-o", "OUT.parquet"),
    "cot make": ("cot", "make", "FACES", "-o", "OUT"),
    "cot export": ("cot", "export", "RUN", "--to", "jsonl", "-o", "OUT.jsonl"),
    "cot export --to hf": ("cot", "export", "RUN", "--to", "hf", "-o", "OUT"),
    "data preview": ("data", "preview", "FACES", "-o", "OUT.png"),
    "model merge": ("model", "merge", "MODEL", "-o", "OUT"),
    "eval accuracy": ("eval", "accuracy", "offline", "FACES", "-o", "OUT"),
    "eval cot": ("eval", "cot", "offline", "FACES", "-o", "OUT"),
    "eval ladder": ("eval", "ladder", "TEXTS", "-o", "OUT"),
    "eval report": ("eval", "report", "SCORED", "-o", "OUT.html"),
    "train": ("train", ROOT / "recipes" / "own.yaml", "data.root=FACES", "-o", "OUT"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the words in capitals stand for; `OUT` lies below a file."""
    path = tmp_path_factory.mktemp("unwritable")
    face = ASTRONAUT.read_bytes()
    faces = class_folders(path / "faces", {"happiness/a.jpg": face, "sadness/b.jpg": face})
    (path / "file").write_text("a thesis")
    assert call("cot", "make", faces, "-o", path / "run").code == 0
    assert call("cot", "export", path / "run", "--to", "jsonl", "-o", path / "texts.jsonl").code == 0
    assert call("eval", "accuracy", "offline", faces, "-o", path / "scored").code == 0
    model = run_with_model(path / "trained") / "model"
    found = {
        "FACES": faces, "RUN": path / "run", "TEXTS": path / "texts.jsonl", "MODEL": model,
        "SCORED": path / "scored", "OUT": path / "file" / "out",
    }  # fmt: skip
    return {name: str(where) for name, where in found.items()}


def filled(place: dict[str, str], words: tuple[object, ...]) -> list[str]:
    found = []
    for word in map(str, words):
        for name, path in place.items():
            word = word.replace(name, path)  # noqa: PLW2901
        found.append(word)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_below_a_file(place: dict[str, str], name: str) -> None:
    done = call(*filled(place, COMMANDS[name]))
    assert (done.code, len(done.complaints)) == (1, 1), done.err
    assert "file" in done.err
    assert Path(place["OUT"]).parent.read_text() == "a thesis"


FULL = {
    "analyze": ("analyze", ASTRONAUT, "-o", "/dev/full", "--format", "csv"),
    "aus": ("aus", ASTRONAUT, "-o", "/dev/full", "--format", "jsonl"),
    "cot export": ("cot", "export", "RUN", "--to", "jsonl", "-o", "/dev/full"),
}


@pytest.mark.parametrize("name", FULL)
def test_an_output_on_a_full_disk(place: dict[str, str], name: str) -> None:
    done = call(*filled(place, FULL[name]))
    advice = "the disk is full; free some space or choose another place"
    assert (done.code, done.out) == (1, "")
    assert done.complaints == [f"expllm: cannot write /dev/full: {advice}"]


SAME = {
    "analyze": ("analyze", "FACES/happiness/a.jpg", "-o", "FACES/happiness/a.jpg", "--format", "csv"),
    "a table": ("analyze", "TEXTS", "-o", "TEXTS"),
    "cot make": ("cot", "make", "FACES", "-o", "FACES"),
    "cot make a split": ("cot", "make", "FACES:train", "-o", "FACES"),
    "eval accuracy": ("eval", "accuracy", "offline", "FACES", "-o", "FACES"),
    "eval cot": ("eval", "cot", "offline", "FACES", "-o", "FACES"),
    "eval ladder": ("eval", "ladder", "FACES", "-o", "FACES"),
    "data preview": ("data", "preview", "FACES", "-o", "FACES/happiness/a.png"),
}


@pytest.mark.parametrize("name", SAME)
def test_an_output_that_is_an_input(place: dict[str, str], name: str) -> None:
    link = Path(place["FACES"]) / "happiness" / "a.png"
    if name == "data preview":
        link.symlink_to("a.jpg")
    try:
        before = {path: path.stat().st_mtime_ns for path in Path(place["FACES"]).rglob("*")}
        done = call(*filled(place, SAME[name]))
        assert (done.code, done.out, len(done.complaints)) == (2, "", 1)
        assert "is one of the inputs: choose another name" in done.err
        assert {path: path.stat().st_mtime_ns for path in Path(place["FACES"]).rglob("*")} == before
    finally:
        link.unlink(missing_ok=True)
