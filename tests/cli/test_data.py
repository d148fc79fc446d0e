"""`expllm data`, called as a shell calls it."""

import json
from pathlib import Path

import pytest
from calling import call
from PIL import Image


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    for number, name in enumerate(("happy/a.jpg", "sad/[red]b.jpg", "sad/c.jpg")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (16, 16), 10 * number).save(path)
    return tmp_path


def test_a_whole_data_set(faces: Path) -> None:
    result = call("data", "check", "folder", faces)
    assert result.code == 0
    assert "3 of 3 rows are faces" in result.out
    assert "3 pictures were opened and are whole" in result.out
    assert "The data set is complete." in result.out
    assert result.complaints == []


def test_a_broken_picture_is_named_and_gives_code_3(faces: Path) -> None:
    path = faces / "sad" / "[red]b.jpg"
    path.write_bytes(path.read_bytes()[:100])
    result = call("data", "check", "folder", faces)
    assert result.code == 3
    assert "1 cannot be read:" in result.out
    assert "sad/[red]b.jpg: cut short" in result.out
    assert "The data set is incomplete." in result.out
    assert call("data", "check", "folder", faces, "--fast").code == 0


@pytest.mark.parametrize("name", ["suprise", "hapy_faces", "0_angy"])
def test_a_misspelt_class_is_asked_about_and_gives_code_3(faces: Path, name: str) -> None:
    (faces / name).mkdir()
    Image.new("L", (16, 16), 99).save(faces / name / "d.jpg")
    for fast in ((), ("--fast",)):
        result = call("data", "check", "folder", faces, *fast)
        assert result.code == 3
        assert "did you mean" in " ".join(result.out.split())
        assert "The data set is incomplete." in result.out


def test_fer2013_and_its_votes(tmp_path: Path) -> None:
    pixels = " ".join(["90"] * 48 * 48)
    (tmp_path / "fer2013.csv").write_text(f"emotion, pixels, Usage\n3,{pixels},Training\n")
    result = call("data", "check", "fer2013", tmp_path)
    assert result.code == 0
    assert "1 of 1 rows are faces" in result.out
    (tmp_path / "fer2013.csv").rename(tmp_path / "other.txt")
    votes = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    (tmp_path / "fer2013new.csv").write_text(
        f"Usage,Image name,{votes}\nTraining,a.png,9,0,0,0,0,0,0,0,0,1\n"
    )
    result = call("data", "check", "ferplus", tmp_path)
    assert result.code == 1
    assert "these are votes without pictures" in result.err


def test_json_holds_all_of_it(faces: Path) -> None:
    result = call("data", "check", "folder", faces, "--json")
    found = json.loads(result.out)
    assert (found["whole"], found["samples"], found["opened"]) == (True, 3, 3)
    assert found["counts"] == {"": {"happiness": 1, "sadness": 2}}
    assert found["about"]["obtain"]


def test_many_broken_pictures_are_counted(faces: Path) -> None:
    for number in range(20):
        (faces / "sad" / f"broken{number}.jpg").write_bytes(b"no")
    result = call("data", "check", "folder", faces)
    assert "20 cannot be read:" in result.out
    assert "and 12 more (--json names all of them)" in result.out
    assert len(json.loads(call("data", "check", "folder", faces, "--json").out)["unreadable"]) == 20


def test_a_table_needs_no_name_and_says_which_rows_it_cannot_read(tmp_path: Path) -> None:
    table = tmp_path / "openface.csv"
    table.write_text("frame;face_id;AU12_r;AU26_r\n1;0;1,5;0\n1;1;3,5;0\n2;0;7,5;0\n3;0;1,")
    result = call("data", "check", table)
    assert result.code == 3
    assert "2 of 4 rows are faces" in result.out
    assert "2 cannot be read:" in result.out
    assert "row 3: AU12_r is 7.5: OpenFace 2 writes 0 to 5" in " ".join(result.out.split())
    assert "row 4: cut off after 3 of 4 cells" in " ".join(result.out.split())
    nothing = call("data", "check", "rafdb")
    assert (nothing.code, nothing.complaints) == (
        2,
        ["expllm: give its folder or file: expllm data check rafdb ROOT"],
    )


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = call("data", "check", "rafdb", tmp_path)
    assert result.code == 1
    assert len(result.complaints) == 1
    assert "www.whdeng.cn/RAF" in result.err
    unknown = call("data", "check", "rafbd", tmp_path)
    assert unknown.code == 2
    assert "use rafdb, affectnet7" in unknown.err
    assert call("data", "check", "folder", tmp_path / "nowhere").code == 1


def test_ferplus_beside_its_published_rows(shared: Path) -> None:
    if not list((shared / "data").glob("ferplus_test*")):
        pytest.skip("needs ../shared/data/ferplus_test, which is not here")
    result = call("data", "check", "ferplus", f"{shared / 'data' / 'ferplus'}:test", "--fast")
    assert result.code == 0
    assert "Rows of test: 3,574; published are 3,574" in result.out
    assert "most votes are for unknown" in result.out
