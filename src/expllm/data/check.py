"""Is a data set whole? What is found, missing and unreadable in it, beside what was published."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from expllm.core.errors import ImageError, MissingData, RecordError
from expllm.core.vocabulary import DID_YOU_MEAN
from expllm.data.about import CAPTIONS, About, about
from expllm.data.captions import open_captions
from expllm.data.catalog import open_dataset
from expllm.data.dataset import NO_PICTURE
from expllm.data.image_bytes import image_bytes
from expllm.data.sample import ImageRef
from expllm.files.images import open_image
from expllm.files.progress import Progress
from expllm.files.tabular import doubted_names

UNREADABLE: Final = (
    *("cannot be read", "no readable file", "is empty", "cut short", "damaged", "develop it", "is a video"),
    *("with an unknown name", "not a supported picture format", "needs the package"),
    DID_YOU_MEAN,
)
"""Words of a reason that says: it is there, and cannot be read."""

OPENED_SIDE: Final = 64
"""Pixels of the longer side that pictures are opened with: damage shows at any size, and this is fastest."""

MissingPlace = tuple[str, str]
"""Where, and what is wrong there."""


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        kind: The layout, or `cc3m`.
        path: What was checked.
        split: The split that was asked for; None for all.
        rows: All that the data set lists.
        samples: Faces, or captions, among them; pictures that cannot be opened are counted here too.
        counts: Split -> label -> faces; "" where there is none.
        fingerprint: The data set's own.
        opened: How many pictures were opened whole; None if none was to be.
        missing: Pictures that are listed and not there.
        unreadable: Pictures and rows that are there and cannot be read.
        left_out: Reason -> rows that are no sample for another reason, such as a protocol's.
        doubles: Pictures with the same bytes as an earlier one.
        animated: Pictures of several frames or pages, and which of them is used.
        short: Classes with fewer faces than were published.
        doubt: What to do where names may have been read in the wrong encoding; empty otherwise.
    """

    kind: str
    path: str
    split: str | None
    rows: int
    samples: int
    counts: Mapping[str, Mapping[str, int]]
    fingerprint: str
    opened: int | None
    missing: tuple[MissingPlace, ...]
    unreadable: tuple[MissingPlace, ...]
    left_out: Mapping[str, int]
    doubles: tuple[MissingPlace, ...]
    animated: tuple[MissingPlace, ...]
    short: tuple[MissingPlace, ...]
    doubt: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing or unreadable. What is left out or double is for the reader to judge."""
        return not (self.missing or self.unreadable or self.short)

    @property
    def about(self) -> About:
        return about(self.kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers, for JSON."""
        known = self.about
        published = {
            "classes": {split: {str(e): n for e, n in row.items()} for split, row in known.classes.items()},
            "rows": dict(known.totals),
            "source": known.source,
        }
        obtain = {"title": known.title, "obtain": known.obtain, "terms": known.terms}
        return {"whole": self.is_whole, **asdict(self), "published": published, "about": obtain}


@dataclass(frozen=True)
class _Item:
    """A sample or a caption, as far as a check looks at it."""

    name: str
    image: ImageRef | None
    split: str = ""
    label: str = ""


@dataclass(frozen=True)
class _Listed:
    """A data set or captions, once they were looked through."""

    kind: str
    split: str | None
    count: int
    fingerprint: str
    skipped: tuple[MissingPlace, ...]
    items: Iterator[_Item]


def check_dataset(kind: str | None, root: str, *, fast: bool = False) -> CheckReport:
    """Looks through a data set and opens every picture, with a progress bar on a terminal's stderr.

    Args:
        kind: A key of `KINDS`, or `cc3m` for captions; None for what it looks like.
        root: What `open_dataset` or `open_captions` takes; a data set may have a split behind a colon.
        fast: No picture is opened.

    Raises:
        MissingData: it, or a part that nothing can be read without, is not there; says how to obtain it.
        RecordError, UsageError: see `open_dataset`.
    """
    try:
        listed = _captions(root) if kind == CAPTIONS else _dataset(kind, root)
    except MissingData as error:
        known = about(kind or "")
        if kind is None:
            raise
        raise MissingData(f"{error}. {known.title}: {known.obtain}") from None
    counts: dict[str, Counter[str]] = {}
    look, pictureless = _Look(), dict[str, None]()
    with Progress(listed.count, shown=not fast, doing="opening") as bar:
        for item in listed.items:
            counts.setdefault(item.split, Counter())[item.label] += 1
            if item.image is None and not item.name.isascii():
                pictureless.setdefault(item.name)
            if item.image is not None and not fast:
                look.at(item.name, item.image)
                bar.step(len(look.unreadable))
    missing, unreadable, left_out = sorted_out(listed.skipped)
    return CheckReport(
        kind=listed.kind,
        path=root,
        split=listed.split,
        rows=listed.count + len(listed.skipped),
        samples=listed.count,
        counts={split: dict(found) for split, found in counts.items()},
        fingerprint=listed.fingerprint,
        opened=None if fast else look.opened,
        missing=missing,
        unreadable=(*unreadable, *look.unreadable),
        left_out=dict(left_out),
        doubles=tuple(look.doubles),
        animated=tuple(look.animated),
        short=tuple(_short(about(listed.kind), counts, listed.split)),
        doubt=doubted_names(Path(root), pictureless) if Path(root).is_file() else "",
    )


def _dataset(kind: str | None, root: str) -> _Listed:
    found = open_dataset(root, kind=kind)
    items = (
        _Item(sample.id, sample.image, sample.split or "", str(sample.expression or "")) for sample in found
    )
    return _Listed(found.kind, found.split, len(found), found.fingerprint, found.skipped, items)


def _captions(root: str) -> _Listed:
    found = open_captions(root)
    items = (_Item(caption.id, caption.image) for caption in found)
    return _Listed(CAPTIONS, None, len(found), found.fingerprint, found.skipped, items)


class _Look:
    """What opening the pictures one after the other brings to light."""

    def __init__(self) -> None:
        self.opened = 0
        self.unreadable: list[MissingPlace] = []
        self.doubles: list[MissingPlace] = []
        self.animated: list[MissingPlace] = []
        self._first: dict[bytes, tuple[str, ImageRef]] = {}

    def at(self, name: str, image: ImageRef) -> None:
        try:
            data = image_bytes(image)
            picture = open_image(data, name=name, analysis_side=OPENED_SIDE)
        except (ImageError, RecordError) as error:
            self.unreadable.append((name, str(error).removeprefix(f"{name}: ")))
            return
        self.opened += 1
        if picture.frames > 1:
            self.animated.append((name, f"{picture.word} {picture.frame} of {picture.frames}"))
        digest = hashlib.blake2b(data, digest_size=16).digest()
        first, place = self._first.setdefault(digest, (name, image))
        if place != image:  # of the same photograph, other faces may be samples of their own
            self.doubles.append((name, f"the same picture as {first}"))


def sorted_out(
    skipped: tuple[MissingPlace, ...],
) -> tuple[tuple[MissingPlace, ...], tuple[MissingPlace, ...], Counter[str]]:
    """What is missing, what cannot be read, and how often each other reason stands."""
    missing, unreadable, left_out = [], [], Counter[str]()
    for place in skipped:
        if place[1].startswith(NO_PICTURE):
            missing.append(place)
        elif any(words in place[1] for words in UNREADABLE):
            unreadable.append((place[0], place[1].removeprefix("cannot be read: ")))
        else:
            left_out[place[1]] += 1
    return tuple(missing), tuple(unreadable), left_out


def _short(
    known: About, counts: Mapping[str, Mapping[str, int]], split: str | None
) -> Iterator[MissingPlace]:
    for name, classes in known.classes.items():
        if split in (None, name):
            found = counts.get(name, {})
            for label, published in classes.items():
                if found.get(str(label), 0) < published:
                    yield f"{name} {label}", f"{found.get(str(label), 0):,} of {published:,} faces"
