"""Where stretches are kept: a file each in a folder, or in memory and nowhere else."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expllm.core.errors import OutputError
from expllm.files.atomic import whole_file
from expllm.video.damage import Damage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

StretchFace = tuple[int, int]
"""A track: number of the stretch, number in it."""

PEOPLE: Final = "people.json"
"""Name of the file that says whose each track is."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """What was measured in ten seconds; all arrays have one row a frame or one row a face.

    Attributes:
        index: Which stretch, from 0.
        number, time, in_order, cut: Of each frame: see `clip.Frame`; a new take begins with it.
        frame: Of each face: row of its frame.
        track: Number of its track in the stretch.
        box: [F, 4] x, y, width, height in pixels.
        score: The detector's confidence, NaN where it was not asked.
        pose: [F, 3] pitch, yaw, roll in degrees.
        units: [F, units] intensities 0-1 as measured, in the order of `AU_NAMES`; NaN where not.
        doubt: `Doubt` as a number.
        shapes: [tracks, 20] mean shape of each track; None once the people are known.
        notes: Frame size, counts, damage; where frames in between were followed, the ends of all tracks.
    """

    index: int
    number: "NDArray[np.int64]"
    time: "NDArray[np.float64]"
    in_order: "NDArray[np.bool_]"
    cut: "NDArray[np.bool_]"
    frame: "NDArray[np.int32]"
    track: "NDArray[np.int32]"
    box: "NDArray[np.float32]"
    score: "NDArray[np.float32]"
    pose: "NDArray[np.float32]"
    units: "NDArray[np.float32]"
    doubt: "NDArray[np.int32]"
    shapes: "NDArray[np.float32] | None"
    notes: dict[str, Any]

    @property
    def damage(self) -> list[Damage]:
        return [Damage(**one) for one in self.notes["damage"]]


class Stretches(ABC):
    """The stretches of one video."""

    @abstractmethod
    def done(self) -> set[int]:
        """Numbers of the stretches that are whole."""

    @abstractmethod
    def write(self, stretch: Stretch) -> None:
        """Keeps a stretch.

        Raises:
            OutputError: it cannot be written.
        """

    @abstractmethod
    def read(self, index: int) -> Stretch:
        """A stretch that is whole.

        Raises:
            OutputError: it is damaged.
        """

    @abstractmethod
    def people(self) -> dict[StretchFace, int] | None:
        """Number of the person of each track; None as long as nobody found out."""

    @abstractmethod
    def keep_people(self, people: Mapping[StretchFace, int]) -> None:
        """Keeps who is who.

        Raises:
            OutputError: it cannot be written.
        """

    def all(self) -> Iterator[Stretch]:
        """Every stretch, in order; one is in memory at a time."""
        for index in sorted(self.done()):
            yield self.read(index)

    def forget_shapes(self) -> None:
        """Keeps the stretches without the shapes of faces: they have served.

        The last stretch loses its shapes last, so it tells whether a run was killed before the end of this.
        """
        if not (done := self.done()) or self.read(max(done)).shapes is None:
            return
        for stretch in self.all():
            if stretch.shapes is not None:
                self.write(replace(stretch, shapes=None))


class StretchesInMemory(Stretches):
    """Stretches that no disk ever sees; they are gone with this object."""

    def __init__(self) -> None:
        self._held: dict[int, Stretch] = {}
        self._people: dict[StretchFace, int] | None = None

    def done(self) -> set[int]:
        return set(self._held)

    def write(self, stretch: Stretch) -> None:
        self._held[stretch.index] = stretch

    def read(self, index: int) -> Stretch:
        return self._held[index]

    def people(self) -> dict[StretchFace, int] | None:
        return self._people

    def keep_people(self, people: Mapping[StretchFace, int]) -> None:
        self._people = dict(people)


class StretchFolder(Stretches):
    """The files of the stretches of one video.

    Args:
        path: The folder; made when the first stretch is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, index: int) -> Path:
        return self.path / f"{index:06d}.npz"

    def done(self) -> set[int]:
        """Numbers of the stretches that are whole."""
        return {int(path.stem) for path in self.path.glob("*.npz") if path.stem.isdigit()}

    def write(self, stretch: Stretch) -> None:
        """Keeps a stretch; it appears whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        import numpy as np

        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be made ({error.strerror})") from None
        arrays = {name: value for name, value in vars(stretch).items() if name not in ("index", "notes")}
        arrays = {name: value for name, value in arrays.items() if value is not None}
        notes = np.frombuffer(json.dumps(stretch.notes).encode(), np.uint8)
        with whole_file(self.file(stretch.index), "wb") as file:
            np.savez(file, notes=notes, **arrays)

    def read(self, index: int) -> Stretch:
        """A stretch that is whole.

        Raises:
            OutputError: its file is damaged.
        """
        from zipfile import BadZipFile

        import numpy as np

        try:
            with np.load(self.file(index), allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            notes = json.loads(arrays.pop("notes").tobytes())
            return Stretch(index=index, notes=notes, **{"shapes": None, **arrays})
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise OutputError(
                f"{self.file(index)}: damaged ({type(error).__name__}): delete it, and run the command again"
            ) from None

    def people(self) -> dict[StretchFace, int] | None:
        kept = self.path / PEOPLE
        if not kept.is_file():
            return None
        return {(int(a), int(b)): int(number) for a, b, number in json.loads(kept.read_text("utf-8"))}

    def keep_people(self, people: Mapping[StretchFace, int]) -> None:
        with whole_file(self.path / PEOPLE) as file:
            json.dump([[*piece, number] for piece, number in people.items()], file)
