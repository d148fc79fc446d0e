"""The settings file: where it lies, what it may say, and how it is refused."""

from pathlib import Path

import pytest

from expllm.core.errors import UsageError
from expllm.files.settings import UserSettings, settings_path, user_settings


def read(path: Path, text: str) -> UserSettings:
    path.write_text(text)
    return user_settings()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLLM_SETTINGS", str(tmp_path / "settings.toml"))
    return tmp_path / "settings.toml"


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXPLLM_SETTINGS", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_path() == tmp_path / ".config" / "expllm" / "settings.toml"
    assert user_settings() == UserSettings(settings_path()), "no file, nothing set"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    assert settings_path() == tmp_path / "own" / "expllm" / "settings.toml"
    monkeypatch.setenv("EXPLLM_SETTINGS", str(tmp_path / "mine.toml"))
    assert settings_path() == tmp_path / "mine.toml"
    with pytest.raises(UsageError, match=r"mine\.toml: EXPLLM_SETTINGS names this file, and it does not"):
        user_settings()


def test_what_it_says(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    found = read(file, 'data_root = "~/data"\n[data]\nferplus = "near/ferplus"\nrafdb = "/mnt/raf"\n')
    assert found.data_root == Path("/home/somebody/data")
    assert found.data == {"ferplus": file.parent / "near" / "ferplus", "rafdb": Path("/mnt/raf")}
    assert read(file, "").data_root is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('data_rot = "x"', "unknown key 'data_rot': did you mean 'data_root'"),
        ("colour = 1", "unknown key 'colour': there are data_root and data"),
        ("data_root = 3", r"data_root is 3: write a path in quotes"),
        ('data_root = ""', r"data_root is '': write a path in quotes"),
        ('data = "x"', r"data is 'x': write a table"),
        ("[data]\nferplus = 1", r"data\.ferplus is 1: write a path in quotes"),
        ("data_root = ~/data", "the settings are no TOML"),
    ],
)
def test_faults_are_one_line(file: Path, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as raised:
        read(file, text)
    assert str(file) in raised.value.line
    assert "\n" not in str(raised.value)


def test_bytes_that_are_no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="the settings are no TOML"):
        user_settings()


def test_a_folder_in_its_place(file: Path) -> None:
    file.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        user_settings()
