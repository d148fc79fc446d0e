"""Pictures out of Parquet into one file, so that training can read them in any order.

A row group of a Parquet file is read as a whole; drawn at random, each picture would cost a group.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from expllm.data import image_bytes
from expllm.data.sample import ImageRef, MemberRef
from expllm.files.atomic import whole_file
from expllm.train.training_sets import TrainingFace


def cached_pictures(faces: Sequence[TrainingFace], folder: Path) -> tuple[TrainingFace, ...]:
    """The same faces; pictures that lie in Parquet are copied into `folder` once, and read from there.

    Raises:
        ImageError: a picture is missing.
        OutputError: the copy cannot be written.
    """
    if not any(_packed(face.image) for face in faces):
        return tuple(faces)
    target = (folder / "pictures.bin").absolute()
    index = folder / "pictures.json"
    wanted: list[list[object]] = [[face.image.path, face.image.row] for face in faces if _packed(face.image)]
    places = _known(index, target, wanted)
    if places is None:
        places = _copy([face for face in faces if _packed(face.image)], target)
        with whole_file(str(index), "w") as file:
            json.dump({"pictures": wanted, "places": places}, file)
    rest = iter(places)
    return tuple(_moved(face, target, next(rest)) if _packed(face.image) else face for face in faces)


def _packed(image: ImageRef) -> bool:
    return image.row is not None and not isinstance(image, MemberRef)


def _known(index: Path, target: Path, wanted: list[list[object]]) -> list[list[int]] | None:
    """Offsets and sizes of a copy that was made before, if it is of the same pictures."""
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        places = list(found["places"])
        whole = target.stat().st_size == sum(size for _, size in places)
        return places if whole and found["pictures"] == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _copy(faces: Sequence[TrainingFace], target: Path) -> list[list[int]]:
    places, offset = [], 0
    with whole_file(str(target), "wb") as file:
        for face in faces:
            data = image_bytes(face.image)
            file.write(data)
            places.append([offset, len(data)])
            offset += len(data)
    return places


def _moved(face: TrainingFace, target: Path, place: list[int]) -> TrainingFace:
    return replace(face, image=MemberRef(path=str(target), offset=place[0], size=place[1]))
