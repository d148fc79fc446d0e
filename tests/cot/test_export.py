"""Exports: what other software reads from them, byte for byte the same for the same outcomes."""

import hashlib
import json
import math
import os
import random
import shutil
import tracemalloc
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from runs_by_hand import SMILE, TEXT, begin, call, outcome, record, run_of, write

from expllm.core.errors import ExpllmError, ImageError, OutputError, UsageError
from expllm.core.records import CoT
from expllm.core.vocabulary import AU_NAMES, FEAFA_NAMES, AUVector, Expression
from expllm.cot.explanation import CotRecord
from expllm.cot.export import EXPORT_FORMATS, NothingToExport, default_output, export
from expllm.cot.export import parquet_export as parquet_module
from expllm.cot.export.json_lines import json_text
from expllm.cot.journal import JournalRow
from expllm.data import open_dataset
from expllm.faces.au_tables import read_au_table
from expllm.files.runs import NoRun, RunFolder

HAPPY, SAD = Expression.HAPPINESS, Expression.SADNESS
UNMEASURED = AUVector({name: None if name == "nose wrinkle" else 0.1 for name in AU_NAMES})
IN_A_FOLDER = ("hf", "llava", "trl")


def mixed(folder: Path, **settings: Any) -> RunFolder:
    """Two resolved samples, the later one first in the journal, and two that are not."""
    failed = record("c", status="unresolved", cot=None, reason="verification: label", rounds=5)
    invalid = record("d", status="invalid", cot=None, predictions=(), reason="img2au: no face", aus=None)
    resolved = record("b", expression=None, predictions=(SAD, HAPPY), rounds=2, aus=UNMEASURED, split="valid")
    run = begin(folder, **settings)
    rows: list[JournalRow] = [
        outcome(3, invalid),
        outcome(1, resolved),
        outcome(2, failed),
        outcome(0, record("a")),
        call("a"),
    ]
    return write(run, rows)


def pictured(folder: Path, count: int = 3) -> RunFolder:
    """A run over pictures in files; their ids would break out of a folder if they were taken for paths."""
    files = folder / "pictures"
    files.mkdir(parents=True)
    records = []
    for number in range(count):
        path = files / f"{number}.png"
        Image.new("RGB", (8, 8), (number % 256, 40, 90)).save(path)
        image = {"path": str(path), "row": None, "column": None}
        records.append(record(f"../{number}/A é.PNG", image=image, split="test" if number == 1 else None))
    return run_of(folder / "run", records)


def contents(path: Path) -> dict[str, str]:
    """Name -> SHA-256 of a file and what is beside it, or of all in a folder."""
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
    return {
        str(file.relative_to(path.parent)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_jsonl_holds_records_in_the_order_of_the_data(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert export(mixed(tmp_path / "run"), "jsonl", out) == 2
    found = [CotRecord.from_json(line) for line in out.read_text().splitlines()]
    assert [item.id for item in found] == ["a", "b"]
    assert found[0] == record("a")
    assert found[1].aus is not None
    assert found[1].aus["nose wrinkle"] is None
    first = lines_of(out)[0]
    assert list(first) == sorted(first)


def test_other_statuses_on_request(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert export(mixed(tmp_path / "run"), "jsonl", out, statuses=("unresolved", "invalid")) == 2
    assert [line["reason"] for line in lines_of(out)] == ["verification: label", "img2au: no face"]
    with pytest.raises(UsageError, match="only resolved"):
        export(RunFolder(tmp_path / "run"), "llava", tmp_path / "x", statuses=("invalid",))


def test_a_line_of_jsonl_is_a_line_for_everyone(tmp_path: Path) -> None:
    odd = CoT(key_observations="a\u2028b\x85c", overall_emotional_interpretation="d", conclusion="happiness")
    out = tmp_path / "out.jsonl"
    export(run_of(tmp_path / "run", [record("a", cot=odd)]), "jsonl", out)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1  # splits at U+2028 and U+0085 too
    assert CotRecord.from_json(out.read_text(encoding="utf-8")).cot == odd


def test_parquet_is_read_back_as_a_data_set(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    export(run_of(tmp_path / "run", [record("a"), record("b", aus=UNMEASURED)]), "parquet", out)
    table = pq.read_table(out).to_pylist()
    assert table[0]["predictions"] == ["happiness"]
    assert table[1]["nose wrinkle"] is None
    samples = list(open_dataset(str(out)))
    assert [(s.id, s.expression, s.aus, s.text) for s in samples] == [
        ("a", HAPPY, SMILE, TEXT.text),
        ("b", HAPPY, UNMEASURED, TEXT.text),
    ]


def test_messages_tell_the_units_and_ask_for_text_then_label(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    export(mixed(tmp_path / "run"), "messages", out)
    first, second = lines_of(out)
    assert [m["role"] for m in first["messages"]] == ["user", "assistant"] * 2
    asked, text, question, label = (m["content"] for m in first["messages"])
    assert "'left lip corner pull': 0.3" in asked
    assert text == TEXT.text
    assert question.endswith("Neutral, Happiness, Sadness.")
    assert label == "Happiness"
    assert "all others that were measured are 0" in second["messages"][0]["content"]
    assert "nose wrinkle: these were not measured" in second["messages"][0]["content"]
    assert second["messages"][-1]["content"] == "Happiness"  # no label is known: what was named last


def test_released_json_is_read_back_by_both_readers(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    export(mixed(tmp_path / "run"), "released", out)
    rows = json.loads(out.read_text())
    assert list(rows[0]) == ["file_name", "emo", "au", "description"]
    assert (rows[0]["file_name"], rows[0]["emo"]) == ("a", "Happiness")
    assert rows[0]["description"].startswith("**Key Observations:** Both lip corners")
    assert math.isnan(rows[1]["au"][-1])  # not measured is not zero
    facs_alone = [name for name in AU_NAMES if name not in FEAFA_NAMES]
    assert [row.aus for row in read_au_table(out)] == [SMILE, UNMEASURED.without(facs_alone)]
    assert [sample.aus for sample in open_dataset(str(out))] == [SMILE, UNMEASURED.without(facs_alone)]


def test_released_lines_keep_what_was_measured_at_rest_apart_from_what_was_not(tmp_path: Path) -> None:
    rested = AUVector.from_positive({"nose wrinkle": None, "lips part": 0.0, "dimpler": 0.25})
    out = tmp_path / "out.jsonl"
    export(run_of(tmp_path / "run", [record("a", aus=rested)]), "released", out)
    assert json.loads(out.read_text())["aus"] == {"Nose Wrinkle": None, "Dimpler": 0.25, "Lips Part": 0.0}
    assert [row.aus for row in read_au_table(out)] == [rested]


def test_released_lines_have_the_form_of_the_published_ones(tmp_path: Path, shared: Path) -> None:
    published = shared / "data" / "exp_cot_reference.jsonl"
    with published.open() as file:
        texts = [json.loads(next(file)) for _ in range(20)]
    records = [
        record(
            text["id"], cot=CoT.parse(text["cot"]), expression=Expression(text["expression"].lower()),
            aus=AUVector.from_positive(text["aus"]),
        )
        for text in texts
    ]  # fmt: skip
    out = tmp_path / "out.jsonl"
    export(run_of(tmp_path / "run", records), "released", out)
    for text, written in zip(texts, lines_of(out), strict=True):
        assert " ".join(text.pop("cot").split()) == " ".join(written.pop("cot").split())
        assert written == text


def test_llava_shows_the_picture_once_and_asks_for_the_label_second(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(pictured(tmp_path), "llava", out) == 3
    entries = json.loads((out / "conversations.json").read_text())
    assert entries[0]["id"] == "../0/A é.PNG"
    turns = entries[0]["conversations"]
    assert [turn["from"] for turn in turns] == ["human", "gpt", "human", "gpt"]
    assert turns[0]["value"].startswith("<image>\n")
    assert turns[1]["value"] == TEXT.text
    assert turns[3]["value"] == "Happiness"
    assert sum(turn["value"].count("<image>") for turn in turns) == 1
    images = {entry["image"] for entry in entries}
    assert images == {f"images/{path.name}" for path in (out / "images").iterdir()}
    assert all(Image.open(out / name).size == (8, 8) for name in images)
    assert not list(tmp_path.glob("*.PNG"))  # no id led out of the folder


def test_a_mark_for_pictures_in_a_text_shows_none(tmp_path: Path) -> None:
    odd = CoT(key_observations="<image>", overall_emotional_interpretation="x", conclusion="happiness")
    export(run_of(tmp_path / "run", [record("a", cot=odd)]), "llava", tmp_path / "out")
    assert "<image>" not in (tmp_path / "out" / "conversations.json").read_text()


def test_pictures_that_are_cells_of_parquet_are_copied_too(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    export(pictured(tmp_path / "a"), "hf", first)
    shard = first / "data" / "train-00000-of-00001.parquet"
    image = {"path": str(shard), "row": 1, "column": "image"}
    export(run_of(tmp_path / "b", [record("cell", image=image)]), "llava", second)
    assert (second / "images" / "cell.png").read_bytes() == (
        tmp_path / "a" / "pictures" / "2.png"
    ).read_bytes()


def test_hf_folder_is_read_back_as_a_data_set(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(pictured(tmp_path), "hf", out)
    samples = list(open_dataset(str(out)))
    assert [(sample.split, sample.expression) for sample in samples] == [
        ("train", HAPPY), ("train", HAPPY), ("test", HAPPY),
    ]  # fmt: skip
    schema = pq.read_schema(out / "data" / "train-00000-of-00001.parquet")
    assert json.loads(schema.metadata[b"huggingface"])["info"]["features"]["image"] == {"_type": "Image"}


def test_hf_folder_loads_in_datasets_with_pictures(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    out = tmp_path / "out"
    export(pictured(tmp_path), "hf", out)
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "test"}
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    row = loaded["train"][1]
    assert row["image"].getpixel((0, 0)) == (2, 40, 90)
    assert (row["id"], row["expression"], row["predictions"]) == ("../2/A é.PNG", "happiness", ["happiness"])
    assert row["left lip corner pull"] == 0.3


def test_hf_folder_without_pictures_loads_in_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    export(mixed(tmp_path / "run"), "hf", tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "validation"}
    assert "image" not in loaded["train"].features
    assert loaded["validation"][0]["nose wrinkle"] is None


def test_a_full_shard_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "SHARD_BYTES", 100)
    out = tmp_path / "out"
    export(pictured(tmp_path, 5), "hf", out)
    names = sorted(path.name for path in (out / "data").iterdir())
    total = sum(name.startswith("train-") for name in names)
    assert total > 1
    assert names == [
        "test-00000-of-00001.parquet",
        *(f"train-{n:05d}-of-{total:05d}.parquet" for n in range(total)),
    ]
    assert len(list(open_dataset(str(out)))) == 5


@pytest.mark.parametrize("to", EXPORT_FORMATS)
def test_the_same_outcomes_give_the_same_bytes(to: str, tmp_path: Path) -> None:
    """In whatever order they ended, in however many journals, at whatever cost."""
    records = [record(f"s{n}", aus=UNMEASURED if n % 2 else SMILE, rounds=n % 3 + 1) for n in range(40)]
    rows = [outcome(n, made) for n, made in enumerate(records)]
    one = write(begin(tmp_path / "one"), rows)
    random.Random(1).shuffle(rows)
    two = begin(tmp_path / "two")
    write(two, [*rows[:25], call("s1", cost=9.0, attempts=7)], shard=0)
    write(two, [*rows[20:], call("s2")], shard=1)
    found = []
    for run in (one, two):
        (tmp_path / f"{run.path.name}-out").mkdir()
        target = tmp_path / f"{run.path.name}-out" / default_output(run, to).name
        assert export(run, to, target) == 40
        found.append(contents(target))
    assert found[0] == found[1]
    assert len(found[0]) >= 2  # the data and the card


@pytest.mark.parametrize("to", EXPORT_FORMATS)
def test_every_export_has_a_card_from_the_ledger(to: str, tmp_path: Path) -> None:
    run = mixed(
        tmp_path / "run", verify="both", hint_after=2, max_rounds=5, base_url="https://me:secret@host/v1"
    )
    target = default_output(run, to)
    export(run, to, target)
    path = target / "README.md" if to in IN_A_FOLDER else target.with_name(f"{target.name}.card.md")
    card = path.read_text(encoding="utf-8")
    for said in (
        "smiles", "2 of 4, 50.0 % (95 % interval", "a-model (4)", "a-model-2 (4)", "ab" * 32, "by hand (4)",
        "verification: label", "AI Act", "happiness", "rule-based audit", "from round 3 on",
    ):  # fmt: skip
        assert said in card
    assert "secret" not in card
    assert "$" not in card


def test_the_head_of_a_hub_card_is_yaml(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    export(pictured(tmp_path), "hf", tmp_path / "out")
    head = yaml.safe_load((tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert head["configs"][0]["data_files"] == [
        {"split": "test", "path": "data/test-*.parquet"},
        {"split": "train", "path": "data/train-*.parquet"},
    ]
    assert head["size_categories"] == ["n<1K"]


def test_a_folder_is_replaced_only_if_it_is_an_export(tmp_path: Path) -> None:
    run, out = mixed(tmp_path / "run"), tmp_path / "out"
    out.mkdir()
    export(run, "hf", out)  # an empty folder may be taken
    (out / "stale").touch()
    export(run, "hf", out)
    assert not (out / "stale").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").touch()
    for to in IN_A_FOLDER:
        with pytest.raises(OutputError, match="something else is there"):
            export(run, to, mine)
    assert (mine / "thesis.txt").exists()


@pytest.mark.parametrize("to", IN_A_FOLDER)
def test_a_missing_picture_leaves_nothing_behind(to: str, tmp_path: Path) -> None:
    run, out = pictured(tmp_path), tmp_path / "out"
    export(run, to, out)
    before = contents(out)
    (tmp_path / "pictures" / "2.png").unlink()
    with pytest.raises(ImageError, match=r"2\.png"):
        export(run, to, out)
    assert contents(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pictures", "run"]


@pytest.mark.parametrize("to", EXPORT_FORMATS)
def test_what_cannot_be_written_is_one_line(to: str, tmp_path: Path) -> None:
    run = mixed(tmp_path / "run")
    with pytest.raises(OutputError, match="the folder does not exist") as raised:
        export(run, to, tmp_path / "missing" / "out")
    assert "\n" not in raised.value.line


def test_bad_requests_are_one_line(tmp_path: Path) -> None:
    run = mixed(tmp_path / "run")
    with pytest.raises(UsageError, match=r"no format 'xml'.*jsonl"):
        export(run, "xml", tmp_path / "x")
    with pytest.raises(UsageError, match="no status 'done'"):
        export(run, "jsonl", tmp_path / "x", statuses=("done",))
    with pytest.raises(NoRun):
        export(RunFolder(tmp_path / "none"), "jsonl", tmp_path / "x")
    with pytest.raises(NothingToExport, match="0 samples have ended"):
        export(begin(tmp_path / "empty"), "hf", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    """Records of 2 KB: 1,500 of them at once would be 3 MB of JSON alone."""
    run = run_of(tmp_path / "run", [record(f"s{n:05d}") for n in range(1500)])
    export(run, "jsonl", tmp_path / "warm")
    tracemalloc.start()
    try:
        assert export(run, "jsonl", tmp_path / "out") == 1500
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


def test_a_failed_write_keeps_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, out = mixed(tmp_path / "run"), tmp_path / "out.parquet"
    export(run, "parquet", out)
    before = out.read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(parquet_module.TableFile, "finish", full)
    with pytest.raises(ExpllmError, match="disk is full"):
        export(run, "parquet", out)
    assert out.read_bytes() == before
    assert not list(tmp_path.glob(".*partial"))
    shutil.rmtree(tmp_path / "run")


def test_png_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    export(pictured(tmp_path), "hf", tmp_path / "out")
    cell = pq.read_table(tmp_path / "out" / "data" / "test-00000-of-00001.parquet").to_pylist()[0]["image"]
    assert cell["bytes"] == (tmp_path / "pictures" / "1.png").read_bytes()
    assert Image.open(BytesIO(cell["bytes"])).size == (8, 8)
    assert "/" not in cell["path"]


def test_a_record_of_an_earlier_version_has_all_fields_in_lines(tmp_path: Path) -> None:
    made = outcome(0, record("a"))
    earlier = {name: value for name, value in made.record.items() if name != "split"}
    run = write(begin(tmp_path / "run"), [replace(made, record=earlier), outcome(1, record("b"))])
    assert export(run, "jsonl", tmp_path / "out.jsonl") == 2
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert lines == [json_text(record(name).to_dict()) for name in "ab"]
