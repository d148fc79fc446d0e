"""What bad input gets: one line that names it, the right exit code, every other input finished."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from calling import call, faceless, png
from conftest import ASTRONAUT
from corpus import corpus
from PIL import Image

from expllm.core.errors import one_line
from expllm.faces.finder import MIN_FACE_SIDE, FaceFinder
from expllm.faces.landmarks import Face
from expllm.files.images import ImageLimits, Picture, read_stream

CORPUS = corpus()
ODD_NAMES = (
    "a b.jpg",
    'it\'s "quoted".jpg',
    "line\nbreak.jpg",
    "[red]x[/red].jpg",
    "-dash.jpg",
    "tab\tand\x1b[31mescape.jpg",
    "中" * 80 + ".jpg",
    "x" * 250 + ".jpg",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that calls start in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_whole_corpus_in_one_call(folder: Path) -> None:
    """A row for each file with the status that it must have; a line on stderr for each that failed."""
    assert len(CORPUS) >= 60
    (folder / "corpus").mkdir()
    names = {f"corpus/{name}": case for name, case in CORPUS.items()}
    for name, case in names.items():
        Path(name).write_bytes(case.data)
    # From a folder only what has a picture's suffix is taken; the rest is named outright.
    result = call("aus", "corpus", *sorted(names), "--format", "jsonl", "--quiet")
    assert result.code == 3
    rows = {one.input: one for one in result.analyses}
    assert len(result.analyses) == len(rows)
    assert rows.keys() == names.keys()
    wrong = [
        name
        for name, row in rows.items()
        if row.status != ("no_face" if names[name].expect == "ok" else "error")
        or names[name].says not in (row.error or "")
    ]
    assert wrong == []
    assert result.complaints == [f"expllm: {row.error}" for row in result.analyses if row.status == "error"]


def test_one_bad_file_among_good_ones(folder: Path) -> None:
    good = [f"pictures/{number:02}.jpg" for number in range(20)]
    (folder / "pictures").mkdir()
    for name in good:
        shutil.copy(ASTRONAUT, name)
    Path(good[7]).write_bytes(ASTRONAUT.read_bytes()[:30_000])
    result = call("aus", "pictures", "--format", "jsonl", "--quiet")
    assert result.code == 3
    assert [one.input for one in result.analyses] == good
    assert [one.input for one in result.analyses if one.status != "ok"] == [good[7]]
    assert result.complaints == [
        f"expllm: {good[7]}: cut short: the file ends before the picture does; copy or download it again"
    ]


def test_inputs_that_are_no_pictures(folder: Path) -> None:
    (folder / "text.jpg").write_text("This is not a picture.\n")
    (folder / "empty.jpg").touch()
    (folder / "bomb.png").write_bytes(CORPUS["png_bomb.png"].data)
    (folder / "nothing").mkdir()
    (folder / "file").touch()
    expected = {
        "text.jpg": "not a supported picture format (text)",
        "empty.jpg": "is empty (0 bytes)",
        "bomb.png": "too large: more than 178,956,970 pixels",
        "http://localhost:9/x.jpg": "localhost",
        "http://127.0.0.1/x.jpg": "127.0.0.1",
        "nothing": "the folder holds no pictures",
        "file/below.jpg": "Not a directory",
        "missing.jpg": "No such file",
        "*.gif": "no file matches",
    }
    result = call("aus", *expected, "--format", "jsonl", "--quiet")
    assert result.code == 1
    assert [one.input for one in result.analyses] == list(expected)
    assert {one.status for one in result.analyses} == {"error"}
    assert len(result.complaints) == len(expected)
    for (name, words), line in zip(expected.items(), result.complaints, strict=True):
        assert line.startswith(f"expllm: {name}")
        assert words in line


def test_private_addresses_are_refused_and_passwords_kept_secret() -> None:
    result = call("aus", "http://me:secret@localhost:9/x.jpg", "--format", "json")
    assert result.code == 1
    assert [row["input"] for row in json.loads(result.out)] == ["http://localhost:9/x.jpg"]
    assert "secret" not in result.out + result.err
    assert len(result.complaints) == 1


def test_odd_names(folder: Path) -> None:
    bad = [f"bad/{name}" for name in ODD_NAMES]
    for name in (*ODD_NAMES, *bad):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"no" if name in bad else ASTRONAUT.read_bytes())
    result = call("aus", "--format", "jsonl", "-q", "--", *ODD_NAMES, *bad)
    assert result.code == 3
    assert [one.input for one in result.analyses] == [*ODD_NAMES, *bad]
    assert [one.status for one in result.analyses] == ["ok"] * len(ODD_NAMES) + ["error"] * len(bad)
    assert len(result.complaints) == len(bad)
    for name, line in zip(bad, result.complaints, strict=True):
        assert line.startswith(f"expllm: {one_line(name)[:150]}")
        assert line.isprintable()


def test_names_that_are_no_text(folder: Path) -> None:
    names = [os.fsdecode(b"\xff\xfe.jpg"), os.fsdecode(b"bad\xff.jpg")]
    shutil.copy(ASTRONAUT, names[0])
    Path(names[1]).write_bytes(b"no")
    result = call("aus", *names, "--format", "jsonl")
    assert result.code == 3
    assert [one.input for one in result.analyses] == ["\\udcff\\udcfe.jpg", "bad\\udcff.jpg"]
    assert [one.status for one in result.analyses] == ["ok", "error"]


def test_upside_down_faces_are_read_with_a_warning(folder: Path) -> None:
    Image.open(ASTRONAUT).rotate(180).save("down.png")
    result = call("aus", "down.png", "--format", "jsonl")
    assert result.code == 0
    (face,) = result.analyses
    assert face.status == "ok"
    assert face.pose is not None
    assert abs(face.pose.roll) > 150
    assert "The face is upside down: turn the picture for a reliable reading." in face.warnings


@pytest.mark.parametrize(
    ("choice", "code", "rows", "complaints"),
    [
        ("row", 4, ["no_face"], ["expllm: no face in the picture"]),
        ("skip", 4, [], ["expllm: no face in the picture"]),
        ("error", 4, ["error"], ["expllm: slope.png: no face found"]),
    ],
)
def test_no_face_anywhere(
    folder: Path, choice: str, code: int, rows: list[str], complaints: list[str]
) -> None:
    (folder / "slope.png").write_bytes(faceless())
    result = call("aus", "slope.png", "--on-no-face", choice, "--format", "jsonl")
    assert result.code == code
    assert [one.status for one in result.analyses] == rows
    assert result.complaints == complaints


@pytest.mark.parametrize(
    ("choice", "with_face", "with_broken"), [("row", 0, 3), ("skip", 0, 3), ("error", 3, 1)]
)
def test_no_face_among_others(folder: Path, choice: str, with_face: int, with_broken: int) -> None:
    (folder / "slope.png").write_bytes(faceless())
    (folder / "broken.png").write_bytes(b"no")
    assert call("aus", "slope.png", ASTRONAUT, "--on-no-face", choice).code == with_face
    assert call("aus", "slope.png", "broken.png", "--on-no-face", choice).code == with_broken
    assert call("aus", "broken.png", "--on-no-face", choice).code == 1


def test_faces_too_small_are_reported(folder: Path) -> None:
    canvas = np.zeros((128, 128, 3), np.uint8)
    side = round(0.8 * MIN_FACE_SIDE * 150 / 106)  # the face is 106 of the 150 pixels cut out
    face = Image.open(ASTRONAUT).crop((150, 40, 300, 190)).resize((side, side))
    canvas[44 : 44 + side, 44 : 44 + side] = np.asarray(face)
    (folder / "small.png").write_bytes(png(canvas))
    result = call("aus", "small.png", "--format", "jsonl")
    assert [one.status for one in result.analyses] == ["too_small"]
    assert result.analyses[0].aus is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give at least one image"),
        (
            ["x.jpg", "--format", "xml"],
            "'xml' is not one of 'text', 'json', 'jsonl', 'csv', 'parquet', 'html'",
        ),
        (["x.jpg", "--columns", "fex"], "'fex' is not one of 'expllm', 'pyfeat', 'openface'"),
        (["x.jpg", "--columns", "pyfeat"], "add --format csv or parquet"),
        (["x.jpg", "--on-no-face", "cry"], "'cry' is not one of 'row', 'skip', 'error'"),
        (["x.jpg", "--labels", "6"], "--labels is 6: use 7, or 8 with contempt"),
        (["x.jpg", "--labels", "many"], "--labels"),
        (["x.jpg", "--max-faces", "0"], "--max-faces"),
        (["x.jpg", "--workers", "0"], "--workers"),
        (["x.jpg", "--no-such-option"], "--no-such-option"),
        (["-x.jpg"], "-x"),
        (["x.jpg", "--format", "parquet"], "parquet goes into a file: add -o FILE.parquet"),
        (["x.jpg", "-o", "x.jpg", "--format", "csv"], "-o x.jpg is one of the inputs"),
        (["x.jpg", "-o", "out.xyz"], "cannot tell the format of 'out.xyz'"),
    ],
)
def test_usage_errors_come_before_any_work(folder: Path, arguments: list[str], words: str) -> None:
    shutil.copy(ASTRONAUT, "x.jpg")
    result = call("analyze", *arguments, "--overlay", "over")
    assert (result.code, result.out) == (2, "")
    assert len(result.complaints) == 1
    assert words in result.err
    assert os.listdir() == ["x.jpg"]
    assert Path("x.jpg").read_bytes() == ASTRONAUT.read_bytes()


@pytest.mark.parametrize("option", [True, False])
@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot read"), (b"PK\3\4", "is not face_landmarker.task")]
)
def test_missing_or_wrong_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch, option: bool, content: bytes | None, words: str
) -> None:
    model = folder / "some.task"
    if content is not None:
        model.write_bytes(content)
    if not option:
        monkeypatch.setenv("EXPLLM_FACE_LANDMARKER", str(model))
    arguments = ["--landmarker", str(model)] if option else []
    result = call("aus", ASTRONAUT, ASTRONAUT.parent, "-o", "out.csv", *arguments)
    assert (result.code, result.out) == (5, "")
    assert len(result.complaints) == 1
    assert words in result.err
    assert str(model) in result.err
    assert not Path("out.csv").exists()


def test_missing_detector(folder: Path) -> None:
    result = call("aus", ASTRONAUT, "--detector", "nowhere.onnx")
    assert (result.code, result.out, len(result.complaints)) == (5, "", 1)
    assert "nowhere.onnx" in result.err


def test_standard_input_that_is_too_large_is_one_failed_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_stream, "__defaults__", (ImageLimits(max_bytes=10),))
    result = call("aus", "-", ASTRONAUT, "--format", "jsonl", stdin=b"x" * 11)
    assert result.code == 3
    assert [one.status for one in result.analyses] == ["error", "ok"]


def test_a_failure_of_native_code_ends_one_input_only(monkeypatch: pytest.MonkeyPatch) -> None:
    find = FaceFinder.find_all

    def fail_on_first(self: FaceFinder, picture: Picture) -> list[Face]:
        if picture.name == "<stdin>":
            raise RuntimeError("native\ntrouble")
        return find(self, picture)

    monkeypatch.setattr(FaceFinder, "find_all", fail_on_first)
    result = call("aus", "-", ASTRONAUT, "--format", "jsonl", stdin=faceless())
    assert result.code == 3
    assert [one.status for one in result.analyses] == ["error", "ok"]
    assert result.complaints == [
        "expllm: <stdin>: cannot be analyzed (RuntimeError: native\\ntrouble); please report it"
    ]
