"""Captions for stage 1, in LLaVA's layout and in WebDataset shards, with whatever goes wrong in them."""

import io
import json
import multiprocessing
import pickle
import random
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from trees import picture_file

from expllm.core.errors import ExpllmError, ImageError, MissingData, RecordError, UsageError
from expllm.data import image_bytes
from expllm.data.captions import Captions, open_captions
from expllm.data.readers.spans import json_spans
from expllm.files.images import open_image

QUESTION = "Provide a brief description of the given image.\n<image>"
FUZZ = settings(max_examples=60)


def jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 16), shade).save(buffer, "JPEG")
    return buffer.getvalue()


def chat_row(number: int, **changes: Any) -> dict[str, Any]:
    """A row of LLaVA's chat.json."""
    name = f"GCC_train_{number:09d}"
    turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": f"a café, number {number} ."}]
    return {"id": name, "image": f"{name}.jpg", "conversations": turns} | changes


def llava_tree(root: Path, rows: Sequence[object], pictures: Iterable[int], folder: str = "images") -> Path:
    for number in pictures:
        picture_file(root / folder / f"GCC_train_{number:09d}.jpg", number)
    (root / "chat.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return root


def shard(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def pairs(numbers: Iterable[int]) -> list[tuple[str, bytes]]:
    """Members as img2dataset writes them."""
    members = []
    for n in numbers:
        members += [(f"{n:09d}.jpg", jpeg(n)), (f"{n:09d}.json", b'{"caption": "not this one"}')]
        members += [(f"{n:09d}.txt", f"caption of {n}".encode())]
    return members


def texts(captions: Captions) -> Mapping[str, str]:
    return {caption.id: caption.text for caption in captions}


def shades(captions: Captions) -> list[int]:
    return [int(open_image(image_bytes(caption.image)).pixels[0, 0, 0]) for caption in captions]


def test_llava_keeps_the_answer_and_drops_the_question(tmp_path: Path) -> None:
    captions = open_captions(str(llava_tree(tmp_path, [chat_row(7), chat_row(3)], [3, 7])))
    assert texts(captions) == {
        "GCC_train_000000007": "a café, number 7 .",
        "GCC_train_000000003": "a café, number 3 .",
    }
    assert shades(captions) == [7, 3]
    assert captions.skipped == ()


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("inside", ["", "images/"])
def test_pictures_are_read_out_of_the_archive(packing: int, inside: str, tmp_path: Path) -> None:
    llava_tree(tmp_path, [chat_row(n) for n in range(1, 4)], [])
    with zipfile.ZipFile(tmp_path / "images.zip", "w", packing) as archive:
        for number in (3, 1):
            archive.writestr(f"{inside}GCC_train_{number:09d}.jpg", jpeg(number))
        archive.writestr(f"{inside}GCC_train_000000009.jpg", b"")
    captions = open_captions(str(tmp_path))
    assert shades(captions) == [1, 3]
    assert captions.skipped == (("chat.json row 2", "no picture at GCC_train_000000002.jpg"),)


def test_pictures_lie_beside_the_list_too_and_metadata_will_do(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.jpg", 9)
    rows = [{"image": "a.jpg", "caption": " a dog ", "blip_caption": "a cat", "url": "http://x.org/a"}]
    (tmp_path / "metadata.json").write_text(json.dumps(rows))
    assert texts(open_captions(str(tmp_path))) == {"a.jpg": "a dog"}
    assert texts(open_captions(str(tmp_path / "metadata.json"))) == {"a.jpg": "a dog"}


def test_nothing_of_a_list_is_lost(tmp_path: Path) -> None:
    rows = [
        chat_row(1),
        chat_row(2),  # no picture
        chat_row(3, conversations=[{"from": "human", "value": QUESTION}]),
        chat_row(4, image=5),
        "a word",
        chat_row(1),
        chat_row(6),  # an empty picture
        chat_row(7, image="http://x.org/a.jpg"),
    ]
    llava_tree(tmp_path, rows, [1, 3])
    (tmp_path / "images" / "GCC_train_000000006.jpg").write_bytes(b"")
    captions = open_captions(str(tmp_path))
    assert len(captions) == 1
    assert len(captions.skipped) == len(rows) - 1
    reasons = dict(captions.skipped)
    assert reasons["chat.json row 2"] == "no picture at GCC_train_000000002.jpg"
    assert "has no caption" in reasons["chat.json row 3"]
    assert "no object with a name of a picture" in reasons["chat.json row 4"]
    assert "no object with a name of a picture" in reasons["chat.json row 5"]
    assert "stands twice" in reasons["GCC_train_000000001"]
    assert "is empty" in reasons["chat.json row 7"]
    assert "web address" in reasons["chat.json row 8"]


def test_a_list_that_is_cut_short_is_an_error_that_says_where(tmp_path: Path) -> None:
    path = llava_tree(tmp_path, [chat_row(1), chat_row(2)], [1, 2]) / "chat.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError, match=r"chat\.json: at byte .*: not JSON, or cut short"):
        open_captions(str(tmp_path))


def test_shards_in_the_order_of_their_names(tmp_path: Path) -> None:
    shard(tmp_path / "cc3m-0001.tar", pairs([3]))
    shard(tmp_path / "cc3m-0000.tar", pairs([2, 1]))
    captions = open_captions(str(tmp_path))
    assert texts(captions) == {
        "cc3m-0000/000000002": "caption of 2",
        "cc3m-0000/000000001": "caption of 1",
        "cc3m-0001/000000003": "caption of 3",
    }
    assert shades(captions) == [2, 1, 3]
    assert texts(open_captions(str(tmp_path / "cc3m-0001.tar"))) == {"cc3m-0001/000000003": "caption of 3"}
    assert len(open_captions(str(tmp_path), limit=2)) == 2


def test_nothing_of_a_shard_is_lost(tmp_path: Path) -> None:
    members = [
        *pairs([1]),
        ("2.jpg", jpeg(2)),
        ("3.txt", b"no picture"),
        ("4.png", b""),
        ("4.txt", b"an empty picture"),
        ("5.jpg", jpeg(5)),
        ("5.json", b'{"caption": '),
        ("6.JPG", jpeg(6)),
        ("6.json", b'{"caption": "in capitals"}'),
        ("6.json", b'{"caption": "again"}'),
        ("._7.jpg", jpeg(7)),
        ("8.webp", jpeg(8)),
        ("8.txt", b" \n"),
        ("deep/9.jpeg", jpeg(9)),
        ("deep/9.txt", "\ufeffa café".encode()),
    ]
    shard(tmp_path / "a.tar", members)
    captions = open_captions(str(tmp_path))
    assert list(texts(captions).values()) == ["caption of 1", "in capitals", "a café"]
    reasons = dict(captions.skipped)
    assert "no caption" in reasons["a/2"]
    assert "no picture" in reasons["a/3"]
    assert reasons["a/4"] == "its picture is empty"
    assert "cannot be read" in reasons["a/5"]
    assert reasons["a/6.json"] == "stands twice in its shard"
    assert "no key" in reasons["a/._7.jpg"]
    assert reasons["a/8"] == "its caption is empty"
    assert len(reasons) == 7


def test_a_damaged_shard_gives_what_stands_before_the_damage(tmp_path: Path) -> None:
    whole = shard(tmp_path / "b.tar", pairs([1, 2])).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: 512 * 7 + 100])  # in the picture of the second
    damaged = bytearray(whole)
    damaged[512 * 6 : 512 * 6 + 100] = (
        b"x" * 100
    )  # the header of the second picture: tarfile stops in silence
    (tmp_path / "c.tar").write_bytes(damaged)
    (tmp_path / "d.tar").write_bytes(b"no tar file" * 100)
    captions = open_captions(str(tmp_path))
    assert list(texts(captions)) == ["a/000000001", "b/000000001", "b/000000002", "c/000000001"]
    reasons = dict(captions.skipped)
    assert "cut short" in reasons["a.tar"]
    assert "damaged after 3 members" in reasons["c.tar"]
    assert "no tar file" in reasons["d.tar"]


def test_an_impossible_size_ends_the_shard(tmp_path: Path) -> None:
    """A run of the fuzzer found a member of negative size; `tarfile` may walk in circles there."""
    data = bytearray(shard(tmp_path / "a.tar", pairs([1, 2])).read_bytes())
    header = data[512 * 6 : 512 * 7]
    header[124:136] = (-512).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[512 * 6 : 512 * 7] = header
    (tmp_path / "a.tar").write_bytes(data)
    captions = open_captions(str(tmp_path))
    assert list(texts(captions)) == ["a/000000001"]
    assert len(captions.skipped) == 1


def test_numbers_processes_and_copies_give_the_same(tmp_path: Path) -> None:
    first = open_captions(str(Path(shard(tmp_path / "a" / "x.tar", pairs(range(9)))).parent))
    assert [first[i] for i in range(9)] == list(first) == list(first)
    with pytest.raises(IndexError):
        first[9]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(first.__getitem__, (4,)) == first[4]
    assert pickle.loads(pickle.dumps(first))[8] == first[8]
    copy = open_captions(str(shard(tmp_path / "b" / "x.tar", pairs(range(9)))))
    assert copy.fingerprint == first.fingerprint
    assert open_captions(str(tmp_path / "a"), limit=8).fingerprint != first.fingerprint


def test_a_file_that_changes_under_our_hands_is_said_to(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", pairs([1]))
    captions = open_captions(str(path))
    picture = captions[0].image
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ImageError, match="was changed"):
        image_bytes(picture)
    with pytest.raises(ImageError, match="was changed"):
        captions[0]
    path.unlink()
    with pytest.raises(ImageError, match="cannot be read"):
        captions[0]


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such file or folder"):
        open_captions(str(tmp_path / "nowhere"))
    with pytest.raises(MissingData, match=r"neither chat\.json"):
        open_captions(str(tmp_path))
    llava_tree(tmp_path, [chat_row(1)], [])
    with pytest.raises(MissingData, match="none of its 1 rows can be used"):
        open_captions(str(tmp_path))
    with pytest.raises(UsageError):
        open_captions(str(tmp_path), limit=0)
    (tmp_path / "images.zip").write_bytes(b"PK no archive")
    with pytest.raises(RecordError, match=r"images\.zip: no whole zip file"):
        open_captions(str(tmp_path))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=6), st.booleans(), st.integers(1, 9))
@FUZZ
def test_items_stand_where_they_are_said_to(
    tmp_path: Path, values: list[Any], escape: bool, chunk: int
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(values, ensure_ascii=escape, indent=1), encoding="utf-8", errors="replace")
    expected = json.loads(path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("expllm.data.readers.spans._CHUNK", chunk)  # items that go over the end of a chunk
        found = list(json_spans(path))
    data = path.read_bytes()
    assert [value for _, _, value in found] == expected
    assert [json.loads(data[at : at + size]) for at, size, _ in found] == expected


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_is_an_error_or_a_reason(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    layout = llava_tree(tmp_path, [chat_row(n) for n in range(4)], [])
    with zipfile.ZipFile(layout / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"GCC_train_{number:09d}.jpg", jpeg(number))
    tar = shard(tmp_path / "a.tar", pairs(range(4)))
    for path, root in ((layout / draw.choice(("chat.json", "images.zip")), layout), (tar, tar)):
        data = bytearray(path.read_bytes())
        for _ in range(4):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)
        with suppress(ExpllmError):
            for caption in open_captions(str(root)):
                with suppress(ImageError):
                    open_image(image_bytes(caption.image))
