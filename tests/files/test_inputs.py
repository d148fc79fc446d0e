"""What a user typed becomes inputs: each once, in order, nothing passed over in silence."""

import os
from pathlib import Path

import pytest

from expllm.files.inputs import Input, expand_inputs, is_url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg", "deep/er/c.webp", ".cache/d.jpg", "data.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(*arguments: str) -> list[str]:
    return [one.name for one in expand_inputs(arguments)]


def test_a_folder_gives_its_pictures_sorted_and_deep(folder: Path) -> None:
    assert names(".") == ["./a.png", "./b.JPG", "./deep/er/c.webp"]


def test_globs_files_addresses_and_stdin_in_their_order(folder: Path) -> None:
    asked = ("-", "https://example.org/x.jpg", "*.png", "notes.txt", "deep", "a.png")
    assert names(*asked) == ["-", "https://example.org/x.jpg", "a.png", "notes.txt", "deep/er/c.webp"]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(folder: Path) -> None:
    (folder / "[a].png").touch()
    assert names("[a].png") == ["[a].png"]
    assert names("**/*.webp") == ["deep/er/c.webp"]


def test_tables_are_known_by_their_suffix(folder: Path) -> None:
    assert Input("data.csv").is_table
    assert Input("DATA.JSONL").is_table
    assert Input("data.csv.gz").is_table
    assert Input("data.xlsx").is_table
    assert not Input("faces.zip").is_table
    assert not Input("https://example.org/data.csv").is_table
    assert not Input("a.png").is_table
    assert is_url("HTTP://x")


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("missing.jpg", "missing.jpg: No such file"),
        ("*.gif", "*.gif: no file matches"),
        ("empty", "empty: the folder holds no pictures"),
        ("a.png/below", "Not a directory"),
        ("nul\0byte", "null"),
        ("x" * 5000, "name too long"),
    ],
)
def test_what_cannot_be_read_says_why(folder: Path, argument: str, complaint: str) -> None:
    (folder / "empty").mkdir()
    (found,) = expand_inputs([argument])
    assert found.error is not None
    assert complaint in str(found.error)


def test_an_unreadable_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def denied(path: str) -> object:  # the tests may run as root, whom nothing is denied
        if "deep" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", denied)
    found = list(expand_inputs(["."]))
    assert [one.name for one in found if one.error is None] == ["./a.png", "./b.JPG"]
    (failed,) = [one for one in found if one.error is not None]
    assert str(failed.error) == "./deep: cannot list the folder (Permission denied)"
