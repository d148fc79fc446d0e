"""Where results cannot go: one line that names the place, and no partial file."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from calling import call
from conftest import ASTRONAUT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that calls start in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("no/such/out.csv", "cannot write no/such/out.csv: the folder does not exist; create it first"),
        ("taken.csv", "cannot write taken.csv: it is a folder; name a file in it"),
        ("/dev/full", "cannot write /dev/full: the disk is full; free some space or choose another place"),
    ],
)
def test_outputs_that_cannot_be_written(folder: Path, output: str, words: str) -> None:
    (folder / "taken.csv").mkdir()
    result = call("aus", ASTRONAUT, "-o", output, "--format", "csv")
    assert (result.code, result.out, result.complaints) == (1, "", [f"expllm: {words}"])
    assert os.listdir() == ["taken.csv"]
    assert Path("/dev/full").is_char_device()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: a disk that fills up while it is written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.parquet", "out.html", "out.csv"])
def test_a_disk_that_fills_up_leaves_no_partial_file(folder: Path, name: str) -> None:
    (folder / name).write_text("old")
    with largest_file(500):
        result = call("aus", ASTRONAUT, "-o", name, "--landmarks")
    assert (result.code, result.complaints) == (1, [f"expllm: cannot write {name}: File too large"])
    assert os.listdir() == [name]
    assert Path(name).read_text() == "old"


def test_links_and_devices_stay_what_they_are(folder: Path) -> None:
    (folder / "real.csv").touch()
    (folder / "link.csv").symlink_to("real.csv")
    assert call("aus", ASTRONAUT, "-o", "link.csv").code == 0
    assert (folder / "link.csv").is_symlink()
    assert len(Path("real.csv").read_text().splitlines()) == 2
    assert call("aus", ASTRONAUT, "-o", "/dev/null", "--format", "csv").code == 0
    assert Path("/dev/null").is_char_device()


def test_long_output_names(folder: Path) -> None:
    name = "中" * 83 + ".csv"  # 253 bytes
    assert call("aus", ASTRONAUT, "-o", name).code == 0
    assert os.listdir() == [name]


def test_an_overlay_on_a_disk_that_fills_up(folder: Path) -> None:
    with largest_file(500):
        result = call("analyze", ASTRONAUT, "--overlay", "over", "-o", "/dev/null", "--format", "csv")
    assert result.code == 1
    assert result.complaints == ["expllm: cannot write over/astronaut.png: File too large"]
    assert os.listdir() == ["over"]
    assert os.listdir("over") == []
