"""Rows for the expression classifier: FER+ by the majority protocol, portraits in parts by identity.

Finding faces takes most of the time. Its cache keeps blendshapes only, so that a new AU calibration does
not void it; a new face finder does.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing import Pool
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from expllm.core.vocabulary import LABEL_ORDERS, AUVector, label_set
from expllm.faces.au_reader import TRACE, BlendshapeReader
from expllm.faces.finder import FaceFinder
from expllm.files.images import open_image

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.bool_]

PATTERNS: Final = {
    "train": "ferplus_train-*.parquet",
    "valid": "ferplus_valid-*.parquet",
    "test": "ferplus_test-*.parquet",
    "portraits": "portraits_train-*.parquet",
}
FERPLUS: Final = LABEL_ORDERS["ferplus"].labels
NAMES: Final = label_set(8)
PARTS: Final = 6
"""Portraits fall into so many parts by identity: part 0 is held out, part 1 validates."""


@dataclass(frozen=True)
class Faces:
    """Rows of one set; labels count in AffectNet's order.

    `aus` [N, 24] and `scores` [N, 52] are NaN where no face was measured; `votes` [N, 8]; `labels` [N].
    """

    aus: Array
    scores: Array
    votes: Array
    labels: Ints

    def __getitem__(self, rows: Rows) -> "Faces":
        return Faces(self.aus[rows], self.scores[rows], self.votes[rows], self.labels[rows])

    def __add__(self, other: "Faces") -> "Faces":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Faces(*(np.concatenate(pair) for pair in pairs))

    @property
    def found(self) -> Rows:
        return ~np.isnan(self.scores[:, 0])

    def with_any_traces(self) -> "Faces":
        """The faces as read, with their traces at zero, and with random ones, one set after the other.

        A trace is noise to a person who looks at one face. A model that hangs on traces is sure of nonsense.
        """
        trace = self.aus <= TRACE  # NaN stays NaN
        noise = np.random.default_rng(0).uniform(0.0, TRACE, self.aus.shape)
        return (
            self
            + replace(self, aus=np.where(trace, 0.0, self.aus))
            + replace(self, aus=np.where(trace, noise, self.aus))
        )

    def of(self, count: int) -> "Faces":
        """The rows and votes of `count` labels: rows labelled contempt go when there are seven."""
        kept = self[self.labels < count]
        return replace(kept, votes=kept.votes[:, :count])


@dataclass(frozen=True)
class Data:
    """Every set of rows, whether or not a face was found in them."""

    train: Faces
    valid: Faces
    test: Faces
    portraits_train: Faces
    portraits_valid: Faces
    portraits_held_out: Faces

    def of(self, count: int) -> "Data":
        return Data(*(faces.of(count) for faces in vars(self).values()))

    def rows(self) -> dict[str, dict[str, int]]:
        return {
            name: {"rows": len(faces.labels), "faces_measured": int(faces.found.sum())}
            for name, faces in vars(self).items()
        }


def load(folder: Path, cache: Path | None, processes: int, reader: BlendshapeReader) -> Data:
    """Reads the pictures of `folder` (or the cache) and their labels."""
    scores = read_scores(folder, cache, processes)
    names = scores["names"].tolist()
    aus = {key: _read_aus(scores[key], names, reader) for key in PATTERNS}
    columns = {key: read_columns(folder, pattern, images=False) for key, pattern in PATTERNS.items()}
    train, valid, test = (_ferplus(columns[key], aus[key], scores[key]) for key in ("train", "valid", "test"))
    people, parts = _portraits(columns["portraits"], aus["portraits"], scores["portraits"])
    return Data(train, valid, test, people[parts > 1], people[parts == 1], people[parts == 0])


def read_columns(folder: Path, pattern: str, *, images: bool) -> dict[str, list[Any]]:
    """All shards that match, as columns: the pictures alone, or everything else."""
    shards = sorted(folder.glob(pattern))
    if not shards:
        sys.exit(f"no {pattern} in {folder}")
    columns: dict[str, list[Any]] = {}
    for shard in shards:
        wanted = [name for name in parquet.read_schema(shard).names if (name == "image") == images]
        for name, values in parquet.read_table(shard, columns=wanted).to_pydict().items():
            columns.setdefault(name, []).extend(values)
    return columns


def read_scores(folder: Path, cache: Path | None, processes: int) -> dict[str, NDArray[Any]]:
    """Blendshapes [N, 52] of each set, NaN where no face is measured, and their `names` [52]."""
    scores: dict[str, NDArray[Any]] = dict(np.load(cache)) if cache and cache.exists() else {}
    missing = {key: pattern for key, pattern in PATTERNS.items() if key not in scores}
    for key, pattern in missing.items():
        images = read_columns(folder, pattern, images=True)["image"]
        with Pool(processes, _open_finder) as pool:
            found = pool.map(_find, images, chunksize=100)
        names = sorted(next(face for face in found if face))
        scores[key] = np.array([[face[n] for n in names] if face else [np.nan] * 52 for face in found])
        scores["names"] = np.array(names)
        print(f"{key}: {len(found)} pictures, {sum(face is not None for face in found)} faces", flush=True)
        if cache:  # after each set: the next one takes minutes, and may be interrupted
            np.savez_compressed(cache, allow_pickle=False, **scores)
    return scores


_finder: FaceFinder


def _open_finder() -> None:
    global _finder  # noqa: PLW0603 - one native model a worker process
    _finder = FaceFinder()


def _find(image: bytes) -> Mapping[str, float] | None:
    """The 52 scores of the largest face that can be measured."""
    faces = (face.blendshapes for face in _finder.find(open_image(image)))
    return next((scores for scores in faces if scores is not None), None)


def _read_aus(scores: Array, names: list[str], reader: BlendshapeReader) -> Array:
    """[N, 52] to [N, 24]."""
    missed = AUVector()
    faces = (dict(zip(names, row.tolist(), strict=True)) for row in scores)
    read = (missed if np.isnan(face[names[0]]) else reader.read_blendshapes(face) for face in faces)
    return np.array([aus.to_array() for aus in read])


def _ferplus(columns: dict[str, list[Any]], aus: Array, scores: Array) -> Faces:
    """The rows kept by the majority protocol: the largest of ten votes is one of the eight expressions.

    The first of equal votes wins, and `unknown` and `NF` stand last.
    """
    order = [*(f"votes_{name}" for name in FERPLUS), "votes_unknown", "votes_NF"]
    winner = np.array([columns[name] for name in order]).argmax(axis=0)
    votes = np.array([columns[f"votes_{name}"] for name in NAMES], dtype=float).T
    labels = np.array([*(NAMES.index(name) for name in FERPLUS), -1, -1])[winner]
    return Faces(aus, scores, votes, labels)[labels >= 0]


def _portraits(columns: dict[str, list[Any]], aus: Array, scores: Array) -> tuple[Faces, Ints]:
    """All portraits, and the part that each belongs to."""
    labels = np.array([NAMES.index(name) for name in columns["label"]])
    digests = [hashlib.sha256(identity.encode()).hexdigest() for identity in columns["identity"]]
    parts = np.array([int(digest, 16) % PARTS for digest in digests])
    return Faces(aus, scores, np.eye(len(NAMES))[labels], labels), parts
