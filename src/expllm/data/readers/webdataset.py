"""WebDataset shards: tar files in which `000123.jpg` and `000123.txt` (or `.json`) belong together.

CC3M and other large sets of captions are handed out so (`img2dataset` writes them).
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from expllm.data.readers.spans import Found, Lost, Span, caption_text
from expllm.data.sample import without_surrogates

_PICTURES: Final = ("jpg", "jpeg", "png", "webp")
TEXTS: Final = ("txt", "json")
"""Suffixes of a caption; the first that is there is taken."""

BLOCK: Final = 512
LONGEST_TEXT: Final = 2**20
"""Bytes of a caption's member that are read."""


@dataclass
class _Parts:
    """What belongs to one key of a shard: suffix -> where it stands."""

    members: dict[str, Span] = field(default_factory=dict)

    def of(self, suffixes: tuple[str, ...]) -> tuple[str, Span] | None:
        return next(((name, self.members[name]) for name in suffixes if name in self.members), None)


def shards_in(path: Path) -> list[Path]:
    """The shards of a folder in the order of their names, or the file itself."""
    if path.is_dir():
        return sorted(child for child in path.glob("*.tar") if child.is_file())
    return [path] if path.suffix == ".tar" else []


def members_in(shards: list[Path]) -> Iterator[Found | Lost]:
    """Every key of every shard, in order; a shard is read once, its pictures are skipped over."""
    for number, shard in enumerate(shards):
        keys: dict[str, _Parts] = {}
        yield from _members(shard, number, keys)
        try:
            with open(shard, "rb") as file:
                for key, parts in keys.items():
                    yield _found(f"{without_surrogates(shard.stem)}/{without_surrogates(key)}", parts, file)
        except OSError as error:
            yield Lost(shard.name, f"cannot be read ({error.strerror})")


def _members(shard: Path, number: int, keys: dict[str, _Parts]) -> Iterator[Lost]:
    """Puts the members of a shard into `keys`; says what is none, and where a damaged shard ends."""
    count = 0
    try:
        with tarfile.open(shard, "r:") as tar:
            while (member := tar.next()) is not None:
                if tar.offset <= member.offset:  # else the walk would go in circles
                    raise tarfile.ReadError(f"{member.name!r} has an impossible size")
                count += 1
                if problem := _put(member, number, keys):
                    yield Lost(f"{without_surrogates(shard.stem)}/{without_surrogates(member.name)}", problem)
            if _goes_on(shard, tar.offset):
                yield Lost(shard.name, f"damaged after {count:,} members: download it again")
    except (tarfile.TarError, OSError, ValueError) as error:
        yield Lost(shard.name, f"cut short, or no tar file, after {count:,} members ({error})")


def _put(member: tarfile.TarInfo, number: int, keys: dict[str, _Parts]) -> str:
    """Puts a member where it belongs; else says why it cannot be."""
    if member.isdir():
        return ""
    if not member.isreg() or member.issparse():
        return "is no ordinary file"
    folder, _, name = member.name.rpartition("/")
    stem, _, suffix = name.partition(".")
    if not stem:
        return "its name has no key before the dot"
    key = f"{folder}/{stem}".removeprefix("./").removeprefix("/")
    members = keys.setdefault(key, _Parts()).members
    if suffix.lower() in members:
        return "stands twice in its shard"
    members[suffix.lower()] = Span(number, member.offset_data, member.size)
    return ""


def _goes_on(shard: Path, offset: int) -> bool:
    """Whether something follows what `tarfile` took for the end: it stops at a damaged header in silence."""
    with open(shard, "rb") as file:
        file.seek(offset)
        return any(file.read(BLOCK))


def _found(where: str, parts: _Parts, file: IO[bytes]) -> Found | Lost:
    picture, text = parts.of(_PICTURES), parts.of(TEXTS)
    if picture is None or text is None:
        lacks = f"picture ({', '.join(_PICTURES)})" if picture is None else "caption (txt, json)"
        return Lost(where, f"no {lacks} has this key")
    is_json, read = text[0] == "json", text[1]._replace(size=min(text[1].size, LONGEST_TEXT))
    file.seek(read.offset)
    try:
        caption = caption_text(file.read(read.size), is_json=is_json)
    except (ValueError, RecursionError) as error:
        return Lost(where, f"its caption cannot be read ({error})")
    if not caption or not picture[1].size:
        return Lost(where, "its caption is empty" if picture[1].size else "its picture is empty")
    return Found(where, caption, read, picture[1], picture[1].size, is_json)
