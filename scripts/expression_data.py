"""Rows for the expression classifier: FER+ by the majority protocol, portraits by person.

Blendshapes are those that `au_readings_*.parquet` holds for every face, pixels are read by the network in
batches (`unit_readings`): nothing is searched for in pictures, so that all is read within minutes.
"""

import hashlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet
from unit_readings import ASSET, read_shards

from expllm.core.vocabulary import AU_NAMES, LABEL_ORDERS, AUSource, label_set
from expllm.data.people import people_part
from expllm.faces.au_reader import TRACE
from expllm.faces.pixel_reader import MOST_TURNED, PixelReader, UnitReader

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
SEEN_ONLY: Final = "cheek raiser"
"""A unit that pixels alone measure."""


@dataclass(frozen=True)
class Faces:
    """Rows of one set; labels count in AffectNet's order.

    `aus` [N, 31] and `scores` [N, 52] are NaN where no face was measured; `votes` [N, 8]; `labels` [N].
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
        """[N] whether anything was measured."""
        return np.asarray(~np.isnan(self.aus).all(axis=1))

    @property
    def read(self) -> Rows:
        """[N] the faces that a classifier is for: those read from pixels, where pixels are read at all."""
        seen: Rows = ~np.isnan(self.aus[:, AU_NAMES.index(SEEN_ONLY)])
        return seen if seen.any() else self.found

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
    """Every set of rows, whether or not a face was found in them; `test` is empty until it is asked for."""

    train: Faces
    valid: Faces
    test: Faces
    portraits_train: Faces
    portraits_valid: Faces
    portraits_held_out: Faces
    halves: bool = False

    def of(self, count: int) -> "Data":
        return Data(
            self.train.of(count), self.valid.of(count), self.test.of(count), self.portraits_train.of(count),
            self.portraits_valid.of(count), self.portraits_held_out.of(count), self.halves,
        )  # fmt: skip

    def sets(self) -> dict[str, Faces]:
        """All of them by name."""
        return {name: faces for name, faces in vars(self).items() if isinstance(faces, Faces)}

    def rows(self) -> dict[str, dict[str, int]]:
        return {
            name: {"rows": len(faces.labels), "faces_measured": int(faces.found.sum())}
            for name, faces in self.sets().items()
        }


@dataclass(frozen=True)
class Inputs:
    """Where everything is.

    Attributes:
        data: Folder of the Parquet files.
        crops: Folder of the portraits that were cut out (`crop_portraits.py`).
        cache: Where the network's readings are kept.
        net: Folder of the network.
        shards: How many shards of FER+ train and of the portraits count; all if None.
        halves: Half of FER+ valid stands for FER+ train, the other half for FER+ valid: a first look at a new
            network, before it has read 28,000 faces.
    """

    data: Path
    crops: Path
    cache: Path | None = None
    net: Path = ASSET
    shards: int | None = None
    halves: bool = False

    def paths(self, key: str, folder: Path | None = None) -> list[Path]:
        """The shards of one of `PATTERNS`, in their order."""
        found = sorted((folder or self.data).glob(PATTERNS[key]))
        if not found:
            sys.exit(f"no {PATTERNS[key]} in {folder or self.data}")
        return found[: self.shards] if key in ("train", "portraits") else found


def load(inputs: Inputs, source: AUSource, *, test: bool) -> Data:
    """The faces of all sets as `source` reads them."""
    left_out = {name for name, out in (("test", not test), ("train", inputs.halves)) if out}
    keys = [key for key in PATTERNS if key not in left_out]
    columns = {key: read_columns(inputs.paths(key)) for key in keys}
    read = {key: read_aus(inputs, key, source) for key in keys}
    ferplus = {key: _ferplus(columns[key], *read[key]) for key in keys if key != "portraits"}
    people, parts = _portraits(columns["portraits"], *read["portraits"])
    if inputs.halves:
        even = np.arange(len(ferplus["valid"].labels)) % 2 == 0
        ferplus |= {"train": ferplus["valid"][even], "valid": ferplus["valid"][~even]}
    nobody = ferplus["valid"][np.zeros(len(ferplus["valid"].labels), bool)]
    return Data(
        ferplus["train"], ferplus["valid"], ferplus.get("test", nobody),
        people[parts == 2], people[parts == 1], people[parts == 0], inputs.halves,
    )  # fmt: skip


def read_aus(inputs: Inputs, key: str, source: AUSource) -> tuple[Array, Array]:
    """Units [N, 31] and blendshapes [N, 52] of every row of a set, NaN where no face was found.

    Args:
        key: One of `PATTERNS`.
    """
    stem = PATTERNS[key].partition("-")[0]
    count = sum(parquet.read_metadata(shard).num_rows for shard in inputs.paths(key))
    table = parquet.read_table(inputs.data / f"au_readings_{stem}.parquet", filters=[("row", "<", count)])
    rows, names = table["row"].to_numpy(), [name for name in table.column_names if name.startswith("mp_")]
    scores = np.stack([table[name].to_numpy() for name in names], axis=1).astype(float)
    turned = np.abs(np.stack([table[name].to_numpy() for name in ("yaw", "pitch")])).max(axis=0)
    seen = _seen(inputs, key, source)
    reader, pixels = UnitReader(source), PixelReader()
    aus, every_score = np.full((count, len(AU_NAMES)), np.nan), np.full((count, len(names)), np.nan)
    shapes = [name.removeprefix("mp_") for name in names]
    for row, values, far in zip(rows.tolist(), scores.tolist(), turned.tolist(), strict=True):
        blendshapes = dict(zip(shapes, values, strict=True))
        clear = seen is not None and far <= MOST_TURNED and seen[row, -1] >= pixels.table.least_clear
        units = pixels.table.intensities(seen[row, :-1].astype(float)) if seen is not None and clear else {}
        aus[row], every_score[row] = reader.of(blendshapes, units).to_array(), values
    return aus, every_score


def _seen(inputs: Inputs, key: str, source: AUSource) -> NDArray[np.float32] | None:
    """What the network reads of each row; None where pixels are not asked for."""
    if source is AUSource.BLENDSHAPES:
        return None
    folder = inputs.crops if key == "portraits" else inputs.data
    return read_shards(inputs.paths(key, folder), inputs.net, inputs.cache)


def read_columns(shards: list[Path]) -> dict[str, list[Any]]:
    """Shards as columns, without the pictures."""
    columns: dict[str, list[Any]] = {}
    for shard in shards:
        wanted = [name for name in parquet.read_schema(shard).names if name != "image"]
        for name, values in parquet.read_table(shard, columns=wanted).to_pydict().items():
            columns.setdefault(name, []).extend(values)
    return columns


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
    """All portraits, and the part of each: 2 is fitted on, 1 validates, 0 is held out.

    The last two are people whom the network did not learn from.
    """
    labels = np.array([NAMES.index(name) for name in columns["label"]])
    parts = np.array([_part(identity) for identity in columns["identity"]])
    return Faces(aus, scores, np.eye(len(NAMES))[labels], labels), parts


def _part(identity: str) -> int:
    if people_part(identity) == "train":
        return 2
    return int(hashlib.sha256(f"half {identity}".encode()).hexdigest(), 16) % 2
