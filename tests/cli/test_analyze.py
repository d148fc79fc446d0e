"""`expllm analyze` and `expllm aus`: many inputs, overlays, standard input, tables of other tools."""

import csv
import inspect
import io
import json
import shutil
from pathlib import Path

import pytest
from calling import call, faceless
from conftest import ASTRONAUT
from groups import rows
from PIL import Image

from expllm.cli.analyze import analyze_command, aus
from expllm.core.errors import ExitCode
from expllm.core.records import FaceAnalysis
from expllm.core.vocabulary import AU_NAMES, AUVector
from expllm.faces.finder import MAX_FACES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that calls start in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_results_come_in_the_order_of_the_inputs(folder: Path) -> None:
    """Large and small, good and bad in turn, so that workers finish in another order."""
    names = []
    for number in range(9):
        names.append(f"{number:02}.png")
        if number % 3 == 0:
            Image.open(ASTRONAUT).resize((800, 800)).save(names[-1])
        else:
            Path(names[-1]).write_bytes(faceless() if number % 3 == 1 else b"no")
    asked = names[::-1]
    result = call("aus", *asked, "--workers", "3", "--format", "jsonl", "--quiet")
    assert result.code == 3
    assert [one.input for one in result.analyses] == asked
    assert [one.status for one in result.analyses] == ["error", "no_face", "ok"] * 3


def test_an_input_that_is_named_twice_is_analyzed_once(folder: Path) -> None:
    shutil.copy(ASTRONAUT, "a.jpg")
    assert [one.input for one in call("aus", "a.jpg", "a.jpg", "*.jpg", "--format", "jsonl").analyses] == [
        "a.jpg"
    ]


def test_standard_input() -> None:
    result = call("aus", "-", "--format", "jsonl", stdin=ASTRONAUT.read_bytes())
    assert (result.code, result.err) == (0, "")
    assert [(one.input, one.status) for one in result.analyses] == [("<stdin>", "ok")]
    (from_file,) = call("aus", ASTRONAUT, "--format", "jsonl").analyses
    assert result.analyses[0].aus == from_file.aus
    nothing = call("aus", "-")
    assert (nothing.code, nothing.out, nothing.complaints) == (
        1, "", ["expllm: <stdin>: is empty (0 bytes): copy or download it again"],
    )  # fmt: skip


def test_the_summary_goes_to_stderr_and_can_be_silenced(folder: Path) -> None:
    for number in range(8):
        (folder / f"{number}.png").write_bytes(faceless())
    loud, silent = (call("aus", ".", "--format", "csv", *more) for more in ([], ["--quiet"]))
    assert loud.out == silent.out
    assert loud.out.count("\n") == 9
    assert silent.err == "expllm: no face in any of 8 inputs\n"
    assert loud.complaints[1:] == silent.complaints
    assert loud.err.startswith("expllm: 8 inputs in ")


def test_overlays_have_names_of_their_own_and_spare_the_inputs(folder: Path) -> None:
    pictures = ["a.jpg", "a-2.jpg", "deep/a.jpg", "over/a-3.png"]
    for name in pictures:
        Path(name).parent.mkdir(exist_ok=True)
        Image.open(ASTRONAUT).save(name)
    before = Path("over/a-3.png").read_bytes()
    result = call("analyze", *pictures, "--overlay", "over", "--format", "csv")
    assert (result.code, result.err) == (0, "")
    drawn = {path.name for path in Path("over").iterdir()}
    assert drawn == {"a.png", "a-2.png", "a-3.png", "a-4.png", "a-3-2.png"}
    assert Path("over/a-3.png").read_bytes() == before
    with Image.open(ASTRONAUT) as original, Image.open("over/a.png") as overlay:
        assert overlay.format == "PNG"
        assert overlay.width >= original.width
        assert overlay.height >= original.height


def test_overlays_of_names_that_fill_a_file_name(folder: Path) -> None:
    name = "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 83 + ".png"  # 253 bytes
    control = "\x01" * 200 + ".png"  # four letters each when escaped
    for one in (name, control):
        Path(one).write_bytes(faceless())
    assert call("analyze", name, control, "--overlay", "over", "--format", "json").code == 4
    assert len(list(Path("over").iterdir())) == 2


def test_an_overlay_folder_that_cannot_be_made(folder: Path) -> None:
    (folder / "file").touch()
    result = call("analyze", ASTRONAUT, "--overlay", "file", "-o", "out.csv")
    assert (result.code, result.complaints) == (1, ["expllm: cannot make the folder file: File exists"])
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.fixture(scope="module")
def measured() -> FaceAnalysis:
    (analysis,) = call("analyze", ASTRONAUT, "--format", "jsonl").analyses
    return analysis


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv"])
def test_its_own_tables_are_read_back(measured: FaceAnalysis, folder: Path, format_: str) -> None:
    assert call("aus", ASTRONAUT, "-o", f"t.{format_}").code == 0
    result = call("analyze", f"t.{format_}", "--format", "jsonl")
    assert (result.code, result.err) == (0, "")
    (again,) = result.analyses
    assert (again.input, again.face_id, again.aus) == (str(ASTRONAUT), 0, measured.aus)
    assert (again.expression, again.probabilities, again.cot) == (
        measured.expression, measured.probabilities, measured.cot,
    )  # fmt: skip


SMILE = AUVector.from_positive({"left lip corner pull": 0.6, "right lip corner pull": 0.4})
BOTH_SIDES = AUVector({"left lip corner pull": 0.5, "right lip corner pull": 0.5, "jaw drop": 0.0})


@pytest.mark.parametrize(
    ("name", "content", "input_", "aus", "reader"),
    [
        (
            "released.json",
            json.dumps([{"file_name": "p.jpg", "emo": 1, "au": SMILE.to_array().tolist()}]),
            "p.jpg", SMILE, "table/expllm-released",
        ),
        (
            "reference.jsonl",
            '{"id": "p", "aus": {"Left Lip Corner Pull": 0.6, "Right Lip Corner Pull": 0.4}}\n',
            "p", SMILE, "table/expllm-reference",
        ),
        (
            "openface.csv",
            "frame, face_id, success, AU01_r, AU12_r, AU26_r, AU12_c\n3, 1, 1, , 2.5, 0.0, 1\n",
            "openface.csv:1", BOTH_SIDES, "table/openface2",
        ),
        (
            "pyfeat.csv",
            "FaceRectX,AU01,AU12,AU26,input,frame,FaceID\n1.0,,0.5,0.0,p.jpg,3,1\n",
            "p.jpg", BOTH_SIDES, "table/py-feat",
        ),
    ],
)  # fmt: skip
def test_tables_of_other_tools(
    folder: Path, name: str, content: str, input_: str, aus: AUVector, reader: str
) -> None:
    Path(name).write_text(content)
    result = call("analyze", name, "--format", "jsonl")
    assert (result.code, result.err) == (0, "")
    (face,) = result.analyses
    assert (face.input, face.status) == (input_, "ok")
    assert face.aus is not None
    assert {unit: face.aus[unit] for unit in AU_NAMES} == pytest.approx(dict(aus), abs=1e-6)
    assert face.provenance is not None
    assert (face.provenance.au_reader, face.provenance.detector) == (reader, "none")
    assert (face.frame, face.face_id) == ((3, 1) if name.endswith("csv") else (0, 0))


def test_broken_tables_fail_alone(folder: Path) -> None:
    tables = {
        "empty.csv": "",
        "header.csv": "input,jaw drop\n",
        "none.json": "[]",
        "other.csv": "a,b\n1,2\n",
        "brackets.json": "{",
        "too high.csv": "input,jaw drop\np.jpg,0.5\nq.jpg,7\nr.jpg,1\n",
        "bytes.json": "\udcff",
    }
    for name, content in tables.items():
        Path(name).write_text(content, encoding="utf-8", errors="surrogateescape")
    shutil.copy(ASTRONAUT, "face.jpg")
    result = call("aus", *tables, "face.jpg", "--format", "jsonl", "--quiet")
    assert result.code == 3
    assert [(one.input, one.status) for one in result.analyses] == [
        *((name, "error") for name in list(tables)[:5]),
        ("p.jpg", "ok"), ("q.jpg", "error"), ("r.jpg", "ok"),
        *((name, "error") for name in list(tables)[6:]),
        ("face.jpg", "ok"),
    ]  # fmt: skip
    assert len(result.complaints) == len(tables)
    for name, line in zip(tables, result.complaints, strict=True):
        assert line.startswith(f"expllm: {name}: ")
    assert "row 2: " in result.complaints[5]


@pytest.mark.parametrize(
    ("on_no_face", "statuses", "code"),
    [("row", ["ok", "no_face"], 0), ("skip", ["ok"], 0), ("error", ["ok", "error"], 3)],
)
def test_a_row_without_a_face_is_a_picture_without_one(
    folder: Path, on_no_face: str, statuses: list[str], code: int
) -> None:
    Path("fex.csv").write_text("input,frame,AU12\nv.mp4,1,0.5\nv.mp4,2,\n")
    result = call("aus", "fex.csv", "--format", "jsonl", "--on-no-face", on_no_face)
    assert ([one.status for one in result.analyses], result.code) == (statuses, code)
    Path("fex.csv").write_text("input,frame,AU12\nv.mp4,2,\n")
    assert call("aus", "fex.csv", "--format", "jsonl", "--on-no-face", on_no_face).code == 4


def test_every_unit_is_listed() -> None:
    result = call("aus", "--list")
    assert (result.code, result.err) == (0, "")
    assert [name for name in AU_NAMES if name not in result.out] == []


def test_a_count_that_max_faces_cuts_is_said_in_every_format(tmp_path: Path) -> None:
    Image.fromarray(rows(8, 5, (1920, 1200), 170)).save(tmp_path / "forty.png")
    result = call("aus", tmp_path / "forty.png", "--max-faces", "20", "--format", "jsonl")
    assert result.code == ExitCode.SOME_INPUTS_FAILED
    assert [line.rsplit(": ", 1)[1] for line in result.complaints] == ["20 of 40 faces (--max-faces 20)"]
    assert [face.faces_found for face in result.analyses] == [40] * 20
    assert "20 of 40 faces" in result.analyses[-1].warnings[-1]
    table = call("aus", tmp_path / "forty.png", "--max-faces", "20", "--format", "csv")
    assert [row["faces_found"] for row in csv.DictReader(io.StringIO(table.out))] == ["40"] * 20
    whole = call("aus", tmp_path / "forty.png", "--format", "jsonl")
    assert (whole.code, len(whole.analyses), whole.err) == (0, 40, "")


def test_the_default_of_max_faces_is_that_of_the_library() -> None:
    for command in (analyze_command, aus):
        assert inspect.signature(command).parameters["max_faces"].default == MAX_FACES


def test_a_picture_too_large_to_be_searched_whole_says_so(tmp_path: Path) -> None:
    Image.new("L", (9000, 3000), 90).save(tmp_path / "wall.png")
    result = call("aus", tmp_path / "wall.png")
    assert result.code == ExitCode.NO_FACE
    assert "faces under 35 pixels are missed: cut it into parts" in " ".join(result.out.split())
