"""Data sets by their names: where they are looked for, and in which order."""

from pathlib import Path

import pytest
from trees import rafdb_tree, write_csv, write_people

from expllm.core.errors import MissingData, UsageError
from expllm.data.roots import ROOT_VARIABLE, located_dataset, open_named
from expllm.files.settings import SETTINGS_VARIABLE


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, settings to be written, and people of 60 faces in `root`."""
    for name in ("here", "root", "other"):
        (tmp_path / name).mkdir()
    write_people(tmp_path / "root" / "people.csv", 20)
    write_people(tmp_path / "other" / "people.csv", 30)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv(SETTINGS_VARIABLE, str(tmp_path / "settings.toml"))
    (tmp_path / "settings.toml").write_text("")
    return tmp_path


def test_the_option_and_then_the_environment_and_then_the_settings(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingData, match="no such file or folder"):
        open_named("people.csv")
    (here / "settings.toml").write_text('data_root = "root"')
    assert len(open_named("people.csv")) == 60
    monkeypatch.setenv(ROOT_VARIABLE, str(here / "other"))
    assert len(open_named("people.csv")) == 90
    assert len(open_named("people.csv", str(here / "root"))) == 60
    monkeypatch.setenv(ROOT_VARIABLE, str(here / "nowhere"))
    assert len(open_named("people.csv")) == 60, "what the environment does not have, the settings may"
    assert len(open_named("people.csv:valid")) < 60


def test_here_is_looked_last_and_a_miss_names_all_places(here: Path) -> None:
    write_people(here / "here" / "others.csv", 5)
    assert len(open_named("others.csv", str(here / "root"))) == 15
    (here / "settings.toml").write_text('data_root = "root"\n[data]\nferplus = "gone"')
    with pytest.raises(MissingData, match=r"nothing: neither in .*/root nor here"):
        open_named("nothing:test")
    with pytest.raises(MissingData, match=r"neither in .*/gone, nor in .*/root nor here"):
        located_dataset("ferplus:test")


def test_one_data_set_may_lie_elsewhere(here: Path) -> None:
    rafdb_tree(here / "raf", ["test_0001.jpg 1", "test_0002.jpg 4"])
    (here / "settings.toml").write_text(
        f'data_root = "root"\n[data]\nrafdb = "{here / "raf"}"\n"people.csv" = "other"'
    )
    assert [sample.expression for sample in open_named("rafdb:test")] == ["surprise", "happiness"]
    assert located_dataset("rafdb:test") == f"{here / 'raf'}:test"
    assert len(open_named("people.csv")) == 90, "the folder that holds it"


def test_a_path_is_a_path(here: Path) -> None:
    (here / "settings.toml").write_text('data_root = "root"')
    write_people(here / "people.csv", 2)
    assert located_dataset(str(here / "x.csv")) == str(here / "x.csv")
    assert located_dataset("../people.csv:valid") == "../people.csv:valid"


def test_a_recipe_finds_its_data_by_the_settings(here: Path) -> None:
    from expllm.core.conversations import Questions
    from expllm.train.data_sources import read_faces
    from expllm.train.recipe import DataConfig, StageConfig

    (here / "settings.toml").write_text('data_root = "root"')
    data = DataConfig(train="people.csv:train", valid="people.csv:valid")
    parts = [read_faces(data, StageConfig(), Questions(), split) for split in ("train", "valid")]
    assert sum(map(len, parts)) == 60


def test_no_such_split(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "faces.csv", [("id", "image", "label"), ("a", "face.png", "fear")])
    (tmp_path / "face.png").touch()
    with pytest.raises(UsageError, match="has no split 'valid': it is not split"):
        open_named(f"{path}:valid")
    with pytest.raises(UsageError, match="no split after the colon"):
        open_named(f"{path}:")
