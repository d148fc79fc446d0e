"""How each command ends where nothing, or not everything, could be done: a line that counts it, a code."""

import json
import shutil
from pathlib import Path

import pytest
from calling import call, class_folders, faceless
from conftest import ASTRONAUT, ROOT
from serving import served

BROKEN = b"\xff\xd8\xff\xe0 not a picture"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets: without a face, of unreadable pictures, and one with all there can be."""
    path, face = tmp_path_factory.mktemp("endings"), ASTRONAUT.read_bytes()
    class_folders(path / "faceless", {"happiness/a.png": faceless(), "sadness/b.png": faceless()})
    class_folders(path / "broken", {"happiness/a.jpg": BROKEN, "sadness/b.jpg": BROKEN})
    mixed = {"happiness/a.jpg": face, "sadness/b.png": faceless(), "sadness/c.jpg": BROKEN}
    class_folders(path / "mixed", mixed)
    (path / "empty").mkdir()
    (path / "table.csv").write_text("image,label\nmixed/happiness/a.jpg,happiness\ngone.jpg,sadness\n")
    return path


@pytest.fixture(scope="module")
def runs(place: Path) -> dict[str, tuple[Path, int, list[str]]]:
    """A run of `cot make` on each data set: its folder, how it ended, and its lines."""
    made = {}
    for name in ("faceless", "broken", "mixed"):
        done = call("cot", "make", place / name, "-o", place / f"run-{name}")
        made[name] = (place / f"run-{name}", done.code, done.complaints)
    return made


Runs = dict[str, tuple[Path, int, list[str]]]


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        (
            "faceless", 4,
            "run-faceless: 0 of 2 samples have an explanation, 2 have none: "
            "img2au: no face could be measured (no_face) (2)",
        ),
        ("broken", 3, "run-broken: 0 of 2 samples have an explanation, 2 have none: img2au: "),
        ("mixed", 3, "run-mixed: 1 of 3 samples have an explanation, 2 have none: img2au: "),
    ],
)  # fmt: skip
def test_making_explanations(runs: Runs, name: str, code: int, line: str) -> None:
    _, found, complaints = runs[name]
    assert (found, len(complaints)) == (code, 1), complaints
    assert complaints[0].startswith(f"expllm: {line}")


def test_a_run_in_which_all_failed_ends_so_again_and_says_why_to_every_reader(runs: Runs) -> None:
    run, code, complaints = runs["faceless"]
    again = call("cot", "make", run.parent / "faceless", "-o", run)
    assert (again.code, again.complaints) == (code, complaints)
    assert json.loads(call("cot", "status", run, "--json").out)["status"] == {"invalid": 2}
    for command in (("export", run, "--to", "jsonl"), ("audit", run, "--summary")):
        done = call("cot", *command)
        assert (done.code, done.out, len(done.complaints)) == (1, "", 1)
    audit = call("cot", "audit", run)
    assert "no text with action units in it; run-faceless: 0 of 2 samples" in audit.err
    assert call("eval", "ladder", run).code == 1


def test_an_export_counts_what_is_not_in_it(runs: Runs, tmp_path: Path) -> None:
    run = runs["mixed"][0]
    done = call("cot", "export", run, "--to", "jsonl", "-o", tmp_path / "texts.jsonl", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["explanations"] == 1
    assert done.complaints == [f"expllm: 1 explanations in {tmp_path / 'texts.jsonl'}; 2 samples have none"]


def test_an_audit_of_a_run_and_of_texts_without_units(runs: Runs, tmp_path: Path) -> None:
    done = call("cot", "audit", runs["mixed"][0], "--summary", "--json")
    assert (done.code, json.loads(done.out)["texts"]) == (0, 1)
    assert len(done.complaints) == 1
    assert "run-mixed: 1 of 3 samples have an explanation" in done.err
    texts = tmp_path / "texts.jsonl"
    assert call("cot", "export", runs["mixed"][0], "--to", "jsonl", "-o", texts).code == 0
    row = json.loads(texts.read_text())
    rows = (row, {**row, "id": "bare", "aus": None})
    texts.write_text("".join(json.dumps(one) + "\n" for one in rows))
    done = call("cot", "audit", texts, "--summary", "--json")
    assert json.loads(done.out)["left_out"] == {"no action units": 1}
    assert done.complaints == [f"expllm: {texts}: not audited: no action units (1)"]


def test_rows_that_a_data_set_loses_are_counted(place: Path, tmp_path: Path) -> None:
    """The picture of one row is missing: the other is explained, and the line names the one that is not."""
    done = call("cot", "make", place / "table.csv", "-o", tmp_path / "run")
    assert done.code == 3
    assert done.complaints == [
        "expllm: table.csv: 1 of 2 rows are left out: missing, such as row 2: no picture at gone.jpg (1)"
    ]
    estimate = call("cot", "estimate", place / "table.csv", "--json")
    assert (estimate.code, json.loads(estimate.out)["samples"]) == (3, 1)
    assert estimate.complaints == done.complaints


def test_a_ladder_names_the_rows_that_a_data_set_loses(place: Path, tmp_path: Path) -> None:
    face, other = ASTRONAUT, ROOT / "examples" / "faces" / "render_sadness.jpg"
    rows = f"{face},happiness\n{other},sadness\ngone.jpg,sadness\n"
    (tmp_path / "table.csv").write_text(f"image,label\n{rows}")
    done = call("eval", "ladder", tmp_path / "table.csv", "-o", tmp_path / "run", "--json")
    assert (done.code, json.loads(done.out)["faces"]) == (3, 2)
    assert done.complaints == [
        "expllm: table.csv: 1 of 3 rows are left out: missing, such as row 3: no picture at gone.jpg (1)"
    ]


def test_a_ladder_without_a_face(place: Path, tmp_path: Path) -> None:
    done = call("eval", "ladder", place / "faceless", "-o", tmp_path / "run")
    assert (done.code, len(done.complaints)) == (4, 1)
    assert "no face found in any of 2 picture(s)" in done.complaints[0]


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("faceless", 4, "not one of 2 faces has an answer: no face found (2)"),
        ("broken", 3, "not one of 2 faces has an answer: picture unreadable (2)"),
        ("mixed", 3, "faces without an answer: no face found (1), picture unreadable (1)"),
    ],
)
@pytest.mark.parametrize("task", ["accuracy", "transfer", "cot"])
def test_evaluations(place: Path, tmp_path: Path, task: str, name: str, code: int, line: str) -> None:
    run = tmp_path / "run"
    done = call("eval", task, "offline", place / name, "-o", run, "--json")
    assert (done.code, done.complaints) == (code, [f"expllm: {line}"])
    assert json.loads(done.out)["rows"] == len(list((place / name).rglob("*.*")))
    again = call("eval", "rescore", run)
    assert (again.code, again.complaints) == (code, done.complaints)
    if task == "accuracy" and name == "faceless":
        assert "no face was measured in 2 of 2 faces (100 %)" in again.out
        for _ in range(2):  # its own files are written over
            report = call("eval", "report", run, "-o", tmp_path / "page.html")
            assert (report.code, report.complaints) == (3, [f"expllm: no face has an answer in {run}"])
        (tmp_path / "notes.md").write_text("# What I thought about it\n")
        refused = call("eval", "report", run, "-o", tmp_path / "notes.html")
        assert (refused.code, len(refused.complaints)) == (2, 1)
        assert "notes.md is another document" in refused.complaints[0]
        assert not (tmp_path / "notes.html").exists()


@pytest.mark.parametrize("command", ["accuracy", "calibrate", "cot", "ladder"])
@pytest.mark.parametrize("data", ["empty", "nowhere"])
def test_no_data_at_all_is_one_line(place: Path, tmp_path: Path, command: str, data: str) -> None:
    model = () if command == "ladder" else ("compact",) if command == "calibrate" else ("offline",)
    group = "model" if command == "calibrate" else "eval"
    done = call(group, command, *model, place / data, "-o", tmp_path / "run")
    assert (done.code, done.out, len(done.complaints)) == (1, "", 1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("cot", "make", "DATA", "-o", "RUN", "--limit", "0"),
        ("cot", "estimate", "DATA", "--limit", "0"),
        ("eval", "accuracy", "offline", "DATA", "-o", "RUN", "--limit", "0"),
        ("eval", "cot", "offline", "DATA", "-o", "RUN", "--limit", "0"),
        ("eval", "ladder", "DATA", "-o", "RUN", "--limit", "0"),
        ("data", "preview", "DATA", "-o", "sheet.png", "--rows", "0"),
    ],
)
def test_a_limit_of_nothing_is_wrong_usage(place: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    names = {"DATA": str(place / "mixed"), "RUN": str(tmp_path / "run")}
    done = call(*(names.get(word, word) for word in command))
    assert (done.code, done.out, len(done.complaints)) == (2, "", 1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["make", "estimate", "audit"])
@pytest.mark.parametrize("data", ["empty", "nowhere"])
def test_no_data_for_the_engine(place: Path, tmp_path: Path, command: str, data: str) -> None:
    output = ("-o", tmp_path / "run") if command == "make" else ()
    done = call("cot", command, place / data, *output)
    assert (done.code, done.out, len(done.complaints)) == (1, "", 1)
    assert not (tmp_path / "run").exists()


def test_checks_of_data(place: Path) -> None:
    done = call("data", "check", "folder", place / "broken", "--json")
    assert (done.code, json.loads(done.out)["whole"]) == (3, False)
    assert done.complaints == [f"expllm: {place / 'broken'}: incomplete: cannot be read (2)"]


def test_a_sheet_leaves_out_what_cannot_be_read(place: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = call("data", "preview", place / "mixed", "-o", sheet)
    assert done.code == 3
    assert done.out == f"{sheet}: 2 faces\n"
    assert len(done.complaints) == 1
    assert "c.jpg" in done.complaints[0]
    sheet.unlink()
    done = call("data", "preview", place / "broken", "-o", sheet)
    assert (done.code, done.out, len(done.complaints)) == (1, "", 1)
    assert not sheet.exists()


@pytest.mark.parametrize("command", ["analyze", "aus"])
@pytest.mark.parametrize("how", ["row", "skip", "error"])
def test_pictures_without_a_face(place: Path, command: str, how: str) -> None:
    done = call(command, place / "faceless", "--on-no-face", how, "--format", "csv", "-q")
    assert done.code == 4
    assert len(done.out.splitlines()) == (1 if how == "skip" else 3)
    line = "expllm: no face in any of 2 inputs"
    assert (done.complaints == [line]) == (how != "error")
    assert len(done.complaints) == (2 if how == "error" else 1)


@pytest.mark.parametrize("task", ["accuracy", "cot"])
def test_answers_that_nobody_can_read(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """A model at an endpoint that answers with nonsense: every answer is counted, none is invented."""
    shutil.copytree(place / "mixed" / "happiness", tmp_path / "faces" / "happiness")
    run = tmp_path / "run"
    with served(lambda _: "I had rather not say.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        done = call("eval", task, "chat:mine", tmp_path / "faces", "-o", run, "--json")
        made = call("cot", "make", tmp_path / "faces", "-o", tmp_path / "made", "--model", "mine")
    assert (done.code, json.loads(done.out)["no_label"]) == (3, 1)
    assert done.complaints == ["expllm: not one of 1 faces has an answer: no label in the answer (1)"]
    assert made.code == 3
    assert "made: 0 of 1 samples have an explanation, 1 have none: " in made.complaints[-1]
