"""What folders hold: pictures of every name and kind, links, outputs of ours, and what is left out."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from calling import Result, call
from conftest import ASTRONAUT
from PIL import Image


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one photograph, in the folder that calls start in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "album").mkdir()
    shutil.copy(ASTRONAUT, tmp_path / "album" / "a.jpg")
    return tmp_path / "album"


def analyzed(*arguments: object) -> Result:
    return call("aus", *map(str, arguments), "--format", "jsonl")


def names(result: Result, status: str = "ok") -> list[str]:
    return [one.input for one in result.analyses if one.status == status]


def test_heic_in_a_folder_is_read(album: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    for name in ("b.heic", "c.HIF"):
        face = Image.open(ASTRONAUT).crop((96, 0, 352, 256))
        face.save(album / name, "HEIF", enc_params={"x265:pools": "none", "preset": "ultrafast"})
    Image.open(ASTRONAUT).crop((96, 0, 352, 256)).save(album / "d.avif", speed=10)
    result = analyzed("album")
    assert (result.code, names(result)) == (0, ["album/a.jpg", "album/b.heic", "album/c.HIF", "album/d.avif"])


def test_heic_without_the_extra_is_named(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pillow_heif"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it had never been installed
    for name in ("b.heic", "c.HEIC"):
        (album / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    result = analyzed("album")
    assert (result.code, names(result)) == (3, ["album/a.jpg"])
    assert names(result, "error") == ["album/b.heic", "album/c.HEIC"]
    assert all("pip install 'expllm[heic]'" in line for line in result.complaints)
    (album / "a.jpg").unlink()
    assert analyzed("album").code == 1
    assert analyzed("album/*.heic").complaints == [
        "expllm: album/b.heic: HEIC needs the package pillow-heif: pip install 'expllm[heic]'"
    ]


def test_raw_files_and_videos_in_a_folder_are_named(album: Path) -> None:
    (album / "b.CR3").write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99))
    (album / "c.mov").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(99))
    (album / "A.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(99))
    (album / "a.dng").write_bytes(b"II*\0\x08\0\0\0" + bytes(99))
    result = analyzed("album")
    assert result.code == 3
    assert names(result) == ["album/a.jpg"]
    assert names(result, "error") == ["album/b.CR3", "album/c.mov"]
    assert result.complaints[0] == (
        "expllm: left out: 1 video beside a picture of the same name (album/A.mp4); "
        "1 camera raw beside a picture of the same name (album/a.dng)"
    )
    assert result.complaints[1].startswith("expllm: album/b.CR3: camera raw: develop it first")
    assert result.complaints[2].startswith("expllm: album/c.mov: is a video: ")
    assert "ffmpeg -i album/c.mov" in result.complaints[2]


def test_odd_names_are_looked_into(album: Path) -> None:
    for name in ("b", "c.jpe", "d.jfif", "e.JPG.jpg", "f.jpg_large", "g.dat", "h.png"):  # h is a JPEG too
        shutil.copy(ASTRONAUT, album / name)
    for name in ("a.jpg~", "a.jpg.bak", "a.jpg_original", "MVI_1.THM"):
        shutil.copy(ASTRONAUT, album / name)
    result = analyzed("album")
    found = [f"album/{name}" for name in sorted(("a.jpg", "b", "c.jpe", "d.jfif", "e.JPG.jpg"))]
    assert (result.code, names(result)) == (0, [*found, "album/f.jpg_large", "album/g.dat", "album/h.png"])
    assert "4 by its name a copy, part or thumbnail of another file (album/MVI_1.THM" in result.err


def test_what_is_left_out_is_counted_and_named(album: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "a.xmp", ".hidden/b.jpg", "@eaDir/a.jpg/THUMB.jpg", "empty.bin"):
        (album / name).parent.mkdir(parents=True, exist_ok=True)
        (album / name).write_bytes(b"" if name == "empty.bin" else b"some bytes of it\0")
    for number in range(5):
        (album / f"note{number}.txt").write_text("a note about it")
    result = analyzed("album")
    (line,) = result.complaints
    assert result.code == 0
    assert line.startswith("expllm: left out: 2 hidden (album/.hidden, album/.DS_Store)")
    assert "5 not a picture (text) (album/note0.txt, album/note1.txt, album/note2.txt and 2 more)" in line
    assert "1 a system's own folder (album/@eaDir)" in line
    assert "1 not a picture (nothing that can be read) (album/empty.bin)" in line
    named = call("analyze", "album", "--verbose", "-o", "a.json")
    assert "expllm: left out: album/note4.txt: not a picture (text)" in named.complaints
    assert len([line for line in named.complaints if "left out: " in line]) == 11
    assert call("analyze", "album", "--quiet", "-o", "a.json").err == ""


def test_links_to_folders_are_followed_once(album: Path) -> None:
    outside = album.parent / "outside" / "deep"
    outside.mkdir(parents=True)
    shutil.copy(ASTRONAUT, outside / "b.jpg")
    os.symlink(album.parent / "outside", album / "one")
    os.symlink(album.parent / "outside", album / "two")
    os.symlink(album, album / "loop")
    os.symlink(album, outside / "back")
    os.symlink("/", album / "root")
    os.symlink(album / "nowhere", album / "broken")
    result = analyzed("album")
    assert (result.code, names(result)) == (0, ["album/a.jpg", "album/one/deep/b.jpg"])
    (line,) = result.complaints
    assert "1 link to a folder above (album/root)" in line
    assert "album/loop" in line
    assert "album/two" in line
    assert "album/broken" in line
    assert names(analyzed("album/**/*.jpg")) == ["album/a.jpg", "album/one/deep/b.jpg"]


def test_our_own_pictures_are_never_analyzed_again(album: Path) -> None:
    first = call("analyze", "album", "--overlay", "album/drawn", "-o", "album/faces.json")
    assert first.code == 0
    assert (album / "drawn" / "a.png").is_file()
    shutil.copy(album / "drawn" / "a.png", album / "moved.png")
    for inputs in (["album"], ["album/**/*g"], ["album/*g", "album/drawn", "album/d*"]):
        result = analyzed(*inputs)
        assert names(result) == ["album/a.jpg"]
        assert "an output of expllm (album/" in result.err
    again = call("analyze", "album", "--overlay", "album", "-o", "album/faces.json")
    assert again.code == 0
    assert (album / "a.png").is_file()
    assert len(json.loads((album / "faces.json").read_text())) == 1
    assert names(analyzed("album")) == ["album/a.jpg"]


def test_an_export_inside_the_folder_is_left_out_and_outright_it_is_not(album: Path) -> None:
    export = album / "export"
    (export / "images").mkdir(parents=True)
    shutil.copy(ASTRONAUT, export / "images" / "b.jpg")
    (export / "README.md").write_text("<!-- written by expllm cot export -->\n\n# Explanations")
    result = analyzed("album")
    assert names(result) == ["album/a.jpg"]
    assert "1 an output of expllm (album/export)" in result.err
    assert names(analyzed("album/export")) == ["album/export/images/b.jpg"]


def test_frames_without_a_face_are_told(album: Path) -> None:
    shades = [Image.new("L", (64, 64), shade) for shade in range(0, 250, 10)]
    shades[0].save(album / "a.gif", save_all=True, append_images=shades[1:])
    result = call("analyze", album / "a.gif")
    assert result.code == 4
    assert "No face was found in 12 of the 25 frames." in result.out
    assert "12 of the 25 frames" in call("aus", album / "a.gif", "--on-no-face", "error").err
