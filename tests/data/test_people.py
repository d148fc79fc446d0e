"""The split by person: the same draw for evaluation, training and checks; nobody is in both parts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from trees import write_people

from expllm.core.conversations import Questions
from expllm.core.errors import MissingData, UsageError
from expllm.data import Dataset, open_dataset
from expllm.data.check import check_dataset
from expllm.data.people import VALID_SHARE, people_part
from expllm.data.roots import open_named
from expllm.train.data_sources import read_faces
from expllm.train.recipe import DataConfig, StageConfig
from expllm.train.training_sets import FaceTrainingSet


def write_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def ids(dataset: Dataset) -> list[str]:
    return [sample.id for sample in dataset]


def test_nobody_is_in_both_parts(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.csv")
    parts = {split: open_named(f"{path}:{split}") for split in ("train", "valid")}
    seen = {split: {sample.identity for sample in part} for split, part in parts.items()}
    assert not seen["train"] & seen["valid"]
    assert len(seen["train"] | seen["valid"]) == 120
    for split, part in parts.items():
        assert len(part) == sum(1 for _ in part) == 3 * len(seen[split])
        assert (part.split, part.splits) == (split, ("train", "valid"))
        assert {sample.split for sample in part} == {split}
    assert parts["train"].fingerprint != parts["valid"].fingerprint
    assert open_named(f"{path}:valid").fingerprint == parts["valid"].fingerprint
    assert len(open_named(str(path))) == 360


def test_the_share_of_valid() -> None:
    share = sum(people_part(f"person {n}") == "valid" for n in range(20_000)) / 20_000
    assert share == pytest.approx(VALID_SHARE, abs=0.01)


def test_the_draw_stays_what_it_was() -> None:
    """Figures on `portraits:valid` of different versions can be compared only while this holds."""
    assert [n for n in range(20) if people_part(str(n)) == "valid"] == [7, 15, 18]


@given(st.text())
def test_every_name_has_a_part(identity: str) -> None:
    assert people_part(identity) == people_part(identity) in ("train", "valid")


def test_a_split_that_a_data_set_has_is_its_own(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.csv", 4)
    lines = path.read_text().splitlines()
    splits = ["split", *(("train", "val")[n % 2] for n in range(len(lines) - 1))]
    path.write_text("\n".join(f"{line},{split}" for line, split in zip(lines, splits, strict=True)))
    valid = open_named(f"{path}:val")
    assert [sample.id for sample in valid] == [line.split(",")[0] for line in lines[2::2]]


def test_too_few_people(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.csv", 1)
    empty = "valid" if people_part("person 0") == "train" else "train"
    with pytest.raises(MissingData, match="too few people"):
        open_named(f"{path}:{empty}")


def test_all_ways_to_a_data_set_draw_the_same(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.csv")
    for split in ("train", "valid"):
        drawn = open_dataset(f"{path}:{split}")
        assert ids(open_dataset(str(path), split=split)) == ids(open_named(f"{path}:{split}")) == ids(drawn)
        assert check_dataset("csv", f"{path}:{split}").samples == len(drawn)
        found = read(DataConfig(train=f"{path}:{split}"), "train")
        assert [face.id for face in found.faces] == ids(drawn)
        assert found.labels == open_dataset(str(path)).labels


def read(data: DataConfig, split: str) -> FaceTrainingSet:
    return read_faces(data, StageConfig(), Questions(), split)


def test_nobody_is_validated_on_who_was_learned_from(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.csv")
    recipe = DataConfig(train=f"{path}:train", valid=f"{path}:valid")
    assert len(read(recipe, "train")) + len(read(recipe, "valid")) == 360
    for learned in (f"{path}", f"{path}:valid"):
        with pytest.raises(UsageError, match=r"faces of people\.csv for training, or their people, are"):
            read(DataConfig(train=learned, valid=f"{path}:valid"), "valid")


def test_no_face_is_validated_on_that_was_learned_from(tmp_path: Path) -> None:
    """Nobody is named there; the face itself gives it away."""
    for number in range(60):
        write_picture(tmp_path / ("happiness", "fear")[number % 2] / f"{number}.png")
    recipe = DataConfig(train=f"{tmp_path}:train", valid=f"{tmp_path}:valid")
    assert len(read(recipe, "train")) + len(read(recipe, "valid")) == 60
    with pytest.raises(UsageError, match=r"for training, or their people, are validated on too"):
        read(DataConfig(train=f"{tmp_path}", valid=f"{tmp_path}:valid"), "valid")


def test_people_of_one_name_in_two_data_sets_are_two(tmp_path: Path) -> None:
    one, two = (write_people(tmp_path / name / f"{name}.csv", 20) for name in ("one", "two"))
    assert len(read(DataConfig(train=str(one), valid=f"{two}:valid"), "valid")) > 0


def test_people_who_are_not_named_cannot_be_told_apart(tmp_path: Path) -> None:
    """One face without a name: it might be anybody's."""
    path = write_people(tmp_path / "people.csv")
    path.write_text(path.read_text().replace("person 7\n", "\n", 1))
    for split in ("train", "valid"):
        with pytest.raises(UsageError, match=f"has no split '{split}'"):
            open_dataset(f"{path}:{split}")


def test_class_folders_are_drawn_by_picture(tmp_path: Path) -> None:
    for number in range(60):
        write_picture(tmp_path / ("happiness", "fear")[number % 2] / f"{number}.png")
    parts = {split: ids(open_dataset(f"{tmp_path}:{split}")) for split in ("train", "valid")}
    assert sorted(parts["train"] + parts["valid"]) == sorted(ids(open_dataset(str(tmp_path))))
    assert 4 <= len(parts["valid"]) <= 20
    assert all(people_part(name) == "valid" for name in parts["valid"])


def test_a_folder_for_each_person_is_drawn_by_person(tmp_path: Path) -> None:
    """A person's pictures may be of several classes; a picture beside the folders is drawn for itself."""
    for number in range(40):
        for label in ("happiness", "fear"):
            write_picture(tmp_path / label / f"anna {number}" / "1.png")
    write_picture(tmp_path / "fear" / "alone.png")
    parts = {split: open_dataset(f"{tmp_path}:{split}") for split in ("train", "valid")}
    seen = {split: {sample.identity for sample in part} for split, part in parts.items()}
    assert seen["train"] & seen["valid"] <= {None}
    assert len((seen["train"] | seen["valid"]) - {None}) == 40
    assert sum(len(part) for part in parts.values()) == 81


def test_class_folders_with_a_split_keep_it(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_picture(tmp_path / split / "fear" / f"{split}.png")
    assert ids(open_dataset(f"{tmp_path}:train")) == ["train/fear/train.png"]
    with pytest.raises(UsageError, match="has no split 'valid'"):
        open_dataset(f"{tmp_path}:valid")


def test_portraits(shared: Path) -> None:
    valid, train = (open_named(f"portraits:{split}", str(shared / "data")) for split in ("valid", "train"))
    assert len(valid) + len(train) == 9_613
    assert 0.15 < len(valid) / 9_613 < 0.25
    assert not {sample.identity for sample in valid} & {sample.identity for sample in train}
