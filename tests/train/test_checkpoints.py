"""Checkpoints are whole or not there, whatever happens while they are written."""

import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small import INSTRUCT, code, complaint, draw_faces, learned, recipe, same, train_apart

from expllm.core.errors import ExitCode, ExpllmError, OutputError
from expllm.train.checkpoints import (
    CHECKPOINT_MANIFEST,
    OPTIMIZER,
    TRAINED_WEIGHTS,
    is_whole,
    latest,
    load_tensors,
    save_tensors,
    step_of,
    write_checkpoint,
)


def fill(folder: Path) -> None:
    save_tensors(folder / TRAINED_WEIGHTS, {"a": torch.arange(6.0)})
    save_tensors(folder / OPTIMIZER, {"m": torch.ones(3)})


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder with checkpoints after steps 5, 10 and 15."""
    for step in (5, 10, 15):
        assert write_checkpoint(tmp_path, step, fill, keep=3) == tmp_path / f"step-{step:07d}"
    return tmp_path


def last_step(folder: Path) -> int | None:
    found = latest(folder)
    return step_of(found) if found else None


def test_the_last_one_is_found_and_reads_back(three: Path) -> None:
    assert last_step(three) == 15
    assert torch.equal(load_tensors(three / "step-0000015" / TRAINED_WEIGHTS)["a"], torch.arange(6.0))
    assert latest(three / "nowhere") is None


@pytest.mark.parametrize("name", [TRAINED_WEIGHTS, OPTIMIZER, CHECKPOINT_MANIFEST])
def test_one_that_lacks_a_file_is_passed_over(three: Path, name: str) -> None:
    (three / "step-0000015" / name).unlink()
    assert last_step(three) == 10
    for path in three.glob("step-*"):
        (path / name).unlink(missing_ok=True)
    assert last_step(three) is None


@given(
    place=st.integers(0, 10_000), bit=st.integers(0, 7), name=st.sampled_from([TRAINED_WEIGHTS, OPTIMIZER])
)
def test_one_wrong_bit_anywhere_is_seen(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, name: str
) -> None:
    folder = write_checkpoint(tmp_path_factory.mktemp("bit"), 1, fill, keep=1)
    data = bytearray((folder / name).read_bytes())
    data[place % len(data)] ^= 1 << bit
    (folder / name).write_bytes(data)
    assert not is_whole(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"files": 7}', '{"files": {"gone": "0"}}', "\xff"])
def test_a_manifest_that_is_none_is_no_error_but_no_checkpoint(three: Path, text: str) -> None:
    (three / "step-0000015" / CHECKPOINT_MANIFEST).write_bytes(text.encode("latin-1"))
    assert last_step(three) == 10


def test_a_cut_file_is_passed_over(three: Path) -> None:
    path = three / "step-0000015" / TRAINED_WEIGHTS
    path.write_bytes(path.read_bytes()[:-1])
    assert last_step(three) == 10
    with pytest.raises(ExpllmError, match=r"trained\.safetensors: cannot be read .* the one before is taken"):
        load_tensors(path)


def test_only_the_last_ones_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    (tmp_path / "step-notes").mkdir()
    (tmp_path / "step-0000001.txt").write_text("mine")
    (tmp_path / ".step-0000002.77").mkdir()  # of a process that was killed
    for step in range(1, 6):
        write_checkpoint(tmp_path, step, fill, keep=2)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-0000001.txt", "step-0000004", "step-0000005", "step-notes"]


def test_a_torn_one_does_not_count_among_those_that_are_kept(three: Path) -> None:
    for step in (10, 15):
        (three / f"step-{step:07d}" / TRAINED_WEIGHTS).unlink()
    write_checkpoint(three, 20, fill, keep=2)
    shutil.rmtree(three / "step-0000020")
    assert last_step(three) == 5


def test_the_same_step_again_replaces_it(three: Path) -> None:
    write_checkpoint(
        three, 15, lambda folder: save_tensors(folder / TRAINED_WEIGHTS, {"a": torch.zeros(1)}), keep=3
    )
    assert torch.equal(load_tensors(three / "step-0000015" / TRAINED_WEIGHTS)["a"], torch.zeros(1))


def test_a_failure_in_the_middle_leaves_those_before(three: Path) -> None:
    def fail(folder: Path) -> None:
        save_tensors(folder / TRAINED_WEIGHTS, {"a": torch.zeros(1)})
        raise OSError(28, os.strerror(28))

    with pytest.raises(
        OutputError, match=r"step-0000020: .*No space left on device.*up to step 15 is saved: free space"
    ):
        write_checkpoint(three, 20, fail, keep=2)
    assert sorted(path.name for path in three.iterdir()) == [f"step-{step:07d}" for step in (5, 10, 15)]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="there is no earlier checkpoint"):
        write_checkpoint(tmp_path / "file", 1, fill, keep=1)


@pytest.mark.slow
def test_a_full_disk_at_a_checkpoint_is_one_line_and_what_was_learned_is_safe(tmp_path: Path) -> None:
    """The system lets the process write small files only, as a full disk would."""
    stage = replace(INSTRUCT, max_steps=6, save_steps=2, trains=("projector",))
    data = draw_faces(tmp_path)
    output = tmp_path / "run"
    assert code(train_apart(recipe(data, replace(stage, max_steps=6)), tmp_path / "whole")) == 0
    process = train_apart(recipe(data, stage), output, slow_write=0.3)
    checkpoints = output / "1-instruct" / "checkpoints"
    while process.is_alive() and latest(checkpoints) is None:
        pass
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (50_000, 50_000))
    assert code(process) == ExitCode.FAILURE
    said = complaint(output)
    assert said.count("\n") == 1
    assert "the checkpoint cannot be written" in said
    assert "is saved: free space, then run the same command again" in said
    saved = latest(checkpoints)
    assert saved is not None
    assert not list(checkpoints.glob(".*"))
    assert json.loads((saved / CHECKPOINT_MANIFEST).read_text())["step"] == step_of(saved)
    assert code(train_apart(recipe(data, stage), output)) == 0
    one, other = learned(output / "1-instruct"), learned(tmp_path / "whole" / "1-instruct")
    assert same(one, other) == list(one)
