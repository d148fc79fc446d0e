"""What the calibration of the action units reads: rendered heads, real portraits, FER+ training faces."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Faces:
    """What MediaPipe reads from N pictures; rows are NaN where it finds no face."""

    names: list[str]  # the 52 channels
    blendshapes: Array  # [N, 52] in [0, 1]
    landmarks: Array  # [N, 478, 3], x and y in parts of width and height, z in parts of width
    matrix: Array  # [N, 4, 4] canonical face -> camera, centimetres

    @property
    def found(self) -> Array:
        """[N] bool."""
        return ~np.isnan(self.blendshapes[:, 0])

    def channel(self, name: str) -> Array:
        """[N] scores of one channel."""
        return self.blendshapes[:, self.names.index(name)]


def read_faces(pictures: Iterable[Image.Image], model: Path) -> Faces:
    """Run the Face Landmarker on pictures, one face each."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    names: list[str] = []
    rows: list[tuple[Array, Array, Array]] = []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for picture in pictures:
            pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB")))
            result = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels))
            if not result.face_landmarks:
                rows.append(tuple(np.full(s, np.nan) for s in (52, (478, 3), (4, 4))))  # type: ignore[arg-type]
                continue
            scores = result.face_blendshapes[0]
            names = names or [c.category_name for c in scores]
            points = np.array([(p.x, p.y, p.z) for p in result.face_landmarks[0]])
            rows.append(
                (np.array([c.score for c in scores]), points, result.facial_transformation_matrixes[0])
            )
    stacked = [np.stack(column).astype(np.float32) for column in zip(*rows, strict=True)]
    return Faces(names, stacked[0], stacked[1], stacked[2])


def cached(path: Path | None, pictures: Iterable[Image.Image], model: Path) -> Faces:
    """`read_faces`, kept in an npz file when a cache folder is given."""
    if path is not None and path.exists():
        with np.load(path) as kept:
            return Faces(
                [str(n) for n in kept["names"]], *(kept[k] for k in ("blendshapes", "landmarks", "matrix"))
            )
    faces = read_faces(pictures, model)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **vars(faces))
    return faces


@dataclass(frozen=True)
class Renders:
    """Rendered heads and their truth."""

    faces: Faces
    records: list[dict[str, Any]]

    def truth(self, names: tuple[str, ...]) -> Array:
        """[N] mean of the rendered weights of the named actions."""
        return np.array([np.mean([r["weights"].get(n, 0.0) for n in names]) for r in self.records])

    @property
    def identity(self) -> Array:
        """[N]"""
        return np.array([r["identity"] for r in self.records])

    @property
    def ladder(self) -> Array:
        """[N] bool, one head and pose with one action a picture."""
        return np.array([r["kind"] == "ladder" for r in self.records])


@dataclass(frozen=True)
class Labelled:
    """Real faces with one expression label each."""

    faces: Faces
    label: Array  # [N] str


@dataclass(frozen=True)
class Sources:
    """Everything the fit sees."""

    renders: Renders
    portraits: Labelled
    ferplus: Labelled


def decode(image: Any) -> Image.Image:
    """An image cell of a parquet file: encoded bytes, bare or in the hub's {"bytes", "path"}."""
    return Image.open(io.BytesIO(image["bytes"] if isinstance(image, dict) else image))


def load_renders(folder: Path, model: Path, cache: Path | None) -> Renders:
    """The pictures that render_heads.py wrote."""
    lines = [line for path in sorted(folder.glob("truth-*.jsonl")) for line in path.open()]
    records = [json.loads(line) for line in lines]
    pictures = (Image.open(folder / r["file"]) for r in records)
    return Renders(cached(cache and cache / "renders.npz", pictures, model), records)


def load_portraits(data: Path, model: Path, cache: Path | None) -> Labelled:
    """Real portraits with one of eight labels."""
    table = pd.concat([pd.read_parquet(p) for p in sorted(data.glob("portraits_train-*.parquet"))])
    pictures = (decode(image) for image in table["image"])
    return Labelled(cached(cache and cache / "portraits.npz", pictures, model), table["label"].to_numpy(str))


def load_ferplus(data: Path, model: Path, cache: Path | None, each: int = 300) -> Labelled:
    """The first `each` FER+ training faces of every label that at least seven of ten annotators gave."""
    table = pd.concat([pd.read_parquet(p) for p in sorted(data.glob("ferplus_train-*.parquet"))])
    votes = table.filter(like="votes_")
    label = votes.idxmax(axis=1).astype(str).str.removeprefix("votes_")
    table = table.assign(label=label)[votes.max(axis=1) >= 7].groupby("label").head(each)

    def pictures() -> Iterator[Image.Image]:
        for image in table["image"]:
            small = decode(image).convert("L").resize((192, 192), Image.Resampling.BICUBIC)
            canvas = Image.new("L", (384, 384), 128)  # a grey frame: 98 % of faces found, 92 % without
            canvas.paste(small, (96, 96))
            yield canvas

    return Labelled(cached(cache and cache / "ferplus.npz", pictures(), model), table["label"].to_numpy(str))
