"""Data sets by name and split, and the split by person."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import SEVEN, table

from expllm.errors import MissingData, UsageError
from expllm.evals.splits import ROOT_VARIABLE, VALID_SHARE, open_named, part_of


def people(path: Path, count: int = 120) -> Path:
    """Three faces of each person, in a CSV without a split."""
    table(path, [])
    rows = [
        f"p{n}-{k},face.png,{SEVEN[(n + k) % 7].value},person {n}" for n in range(count) for k in range(3)
    ]
    path.write_text("\n".join(["id,image,label,identity", *rows]) + "\n")
    return path


def test_nobody_is_in_both_parts(tmp_path: Path) -> None:
    path = people(tmp_path / "people.csv")
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
    share = sum(part_of(f"person {n}") == "valid" for n in range(20_000)) / 20_000
    assert share == pytest.approx(VALID_SHARE, abs=0.01)


def test_the_draw_stays_what_it_was() -> None:
    """Figures on `portraits:valid` of different versions can be compared only while this holds."""
    assert [n for n in range(20) if part_of(str(n)) == "valid"] == [7, 15, 18]


@given(st.text())
def test_every_name_has_a_part(identity: str) -> None:
    assert part_of(identity) == part_of(identity) in ("train", "valid")


def test_a_split_that_a_data_set_has_is_its_own(tmp_path: Path) -> None:
    path = people(tmp_path / "people.csv", 4)
    lines = path.read_text().splitlines()
    splits = ["split", *(("train", "val")[n % 2] for n in range(len(lines) - 1))]
    path.write_text("\n".join(f"{line},{split}" for line, split in zip(lines, splits, strict=True)))
    valid = open_named(f"{path}:val")
    assert [sample.id for sample in valid] == [line.split(",")[0] for line in lines[2::2]]


def test_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people(tmp_path / "people.csv", 20)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    with pytest.raises(MissingData, match="no such file or folder"):
        open_named("people.csv")
    found = open_named("people.csv:valid", str(tmp_path))
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    assert open_named("people.csv:valid").fingerprint == found.fingerprint
    people(tmp_path / "here" / "others.csv", 5)
    assert len(open_named("others.csv")) == 15
    with pytest.raises(MissingData, match=r"neither in .* nor here"):
        open_named("nothing:test")


def test_no_such_split(tmp_path: Path) -> None:
    path = table(tmp_path / "faces.csv", [("a", "fear"), ("b", "anger")])
    with pytest.raises(UsageError, match="has no split 'valid': it is not split"):
        open_named(f"{path}:valid")
    with pytest.raises(UsageError, match="no split after the colon"):
        open_named(f"{path}:")


def test_too_few_people(tmp_path: Path) -> None:
    path = people(tmp_path / "people.csv", 1)
    empty = "valid" if part_of("person 0") == "train" else "train"
    with pytest.raises(MissingData, match="too few people"):
        open_named(f"{path}:{empty}")


def test_portraits(shared: Path) -> None:
    valid, train = (open_named(f"portraits:{split}", str(shared / "data")) for split in ("valid", "train"))
    assert len(valid) + len(train) == 9_613
    assert 0.15 < len(valid) / 9_613 < 0.25
    assert not {sample.identity for sample in valid} & {sample.identity for sample in train}
