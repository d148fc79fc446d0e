"""ExpW in the layout of its authors: faces by their own boxes, confidence over 60, a draw under a seed."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import labels_by_id, picture_file

from expllm.core.errors import MissingData, RecordError, UsageError
from expllm.core.vocabulary import LABEL_ORDERS
from expllm.data import open_dataset

FUZZ = settings(max_examples=100)

LINES = [
    "angry_actor_104.jpg 0 28 113 226 141 22.9362 5",  # the first line of the data set: not sure enough
    "angry_actor_104.jpg 1 10 20 50 60 60.0001 0",
    "angry_actor_104.jpg 2 10 120 150 40 98.5 3",
    "sad_cat.jpg 0 0 0 4 4 60 4",
]


def expw_tree(
    root: Path, lines: list[str], list_folder: str = "label", pictures: str = "image/origin"
) -> Path:
    (root / list_folder).mkdir(parents=True, exist_ok=True)
    (root / list_folder / "label.lst").write_text("".join(f"{line}\n" for line in lines))
    for name in {line.split()[0] for line in lines}:
        picture_file(root / pictures / name)
    return root


@pytest.mark.parametrize(
    ("lists", "pictures"), [("label", "image/origin"), ("", "origin"), ("data/label", "")]
)
def test_faces_of_one_picture_are_told_apart(lists: str, pictures: str, tmp_path: Path) -> None:
    dataset = open_dataset(str(expw_tree(tmp_path, LINES, lists, pictures)))
    assert dataset.kind == "expw"
    assert labels_by_id(dataset) == {"angry_actor_104.jpg#1": "anger", "angry_actor_104.jpg#2": "happiness"}
    assert [sample.box for sample in dataset] == [(20, 10, 30, 50), (120, 10, 30, 30)]
    assert dataset.labels == LABEL_ORDERS["expw"].labels
    assert dataset.skipped == (
        ("label.lst line 1", "the confidence is not over 60"),
        ("label.lst line 4", "the confidence is not over 60"),
    )


def test_bad_lines_have_their_reasons(tmp_path: Path) -> None:
    lines = [*LINES, "a.jpg 0 1 2 3", "b.jpg 0 5 5 5 9 70 1", "c.jpg 0 1 1 9 9 70 7", "d.jpg 0 1 1 9 9 nan 1"]
    expw_tree(tmp_path, lines)
    (tmp_path / "label" / "label.lst").write_text(
        "".join(f"{line}\n" for line in [*lines, "e 0 1 1 9 9 70 1"])
    )
    reasons = [reason for _, reason in open_dataset(str(tmp_path)).skipped[2:]]
    assert reasons[0] == "cannot be read: not a name, a number, a box, a confidence and a label"
    assert "its box is empty" in reasons[1]
    assert "expw has no label 7" in reasons[2]
    assert "not over 60" in reasons[3]
    assert reasons[4] == "no picture at e"
    with pytest.raises(MissingData, match=r"no 'label\.lst' under .*: ExpW is given on request"):
        open_dataset(str(tmp_path / "image"), kind="expw")
    (tmp_path / "label" / "label.lst").write_bytes(b"PK\3\4zipped")
    with pytest.raises(RecordError, match=r"label\.lst: "):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_a_list_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    root = expw_tree(tmp_path, LINES)
    pictures = next(path.parent for path in tmp_path.rglob("angry_actor_104.jpg"))
    (pictures / "angry_actor_104.jpg").rename(pictures / "colère.jpg")
    table = tmp_path / "label" / "label.lst"
    named = "".join(f"{line}\n" for line in LINES).replace("angry_actor_104.jpg", "colère.jpg")
    table.write_bytes(named.encode(encoding))
    assert labels_by_id(open_dataset(str(root))) == {"colère.jpg#1": "anger", "colère.jpg#2": "happiness"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [f"a.jpg {n} 1 1 9 9 {59 + n % 3} {n % 7}" for n in range(600)]
    return expw_tree(tmp_path_factory.mktemp("expw"), lines)


def test_a_draw_is_the_same_everywhere(many: Path, tmp_path: Path) -> None:
    first = open_dataset(f"{many}:150@0")
    assert (len(first), first.splits, first.split) == (150, ("150@0",), "150@0")
    ids = list(labels_by_id(first))
    few = list(labels_by_id(open_dataset(f"{many}:20@0")))
    assert few[:5] == ["a.jpg#80", "a.jpg#86", "a.jpg#104", "a.jpg#146", "a.jpg#155"]  # for ever
    assert list(labels_by_id(open_dataset(str(many), split="150@0", kind="expw"))) == ids
    lines = (many / "label" / "label.lst").read_text().splitlines()
    reversed_list = open_dataset(f"{expw_tree(tmp_path, lines[::-1])}:150@0")
    assert set(labels_by_id(reversed_list)) == set(ids)
    assert set(labels_by_id(open_dataset(f"{many}:150@1"))) != set(ids)
    assert {sample.split for sample in first} == {"150@0"}


def test_a_draw_takes_only_what_the_whole_has_and_each_label_by_its_share(many: Path) -> None:
    whole = labels_by_id(open_dataset(str(many)))
    assert len(whole) == 200
    assert labels_by_id(open_dataset(f"{many}:200@3")) == whole
    smaller, larger = (labels_by_id(open_dataset(f"{many}:{count}@3")) for count in (50, 100))
    assert set(smaller) < set(larger) < set(whole)
    counts = Counter(larger.values())
    assert all(4 <= counts[label.value] <= 28 for label in LABEL_ORDERS["expw"].labels)  # 14 +- 5 s.d.
    for wrong in ("201@3", "0@3"):
        with pytest.raises(UsageError, match="cannot draw"):
            open_dataset(f"{many}:{wrong}")


@given(st.text("ab. 019\t\n-#", max_size=60))
@FUZZ
def test_any_list_gives_samples_or_reasons(tmp_path: Path, text: str) -> None:
    expw_tree(tmp_path, ["a.jpg 0 1 1 9 9 70 1"])
    with open(tmp_path / "label" / "label.lst", "a") as file:
        file.write(text)
    try:
        dataset = open_dataset(str(tmp_path))
    except RecordError as error:
        if "same id" not in error.line:
            raise
        return
    lines = [line for line in (tmp_path / "label" / "label.lst").read_text().splitlines() if line.strip()]
    assert len(dataset) + len(dataset.skipped) == len(lines)
