"""Stretches of ten seconds: measured one by one, each kept in a file of its own as soon as it is whole.

A stretch depends on the file and the settings alone, not on the stretches before it. So a run that was killed
goes on with the first stretch that has no file, and several processes share the work: each decodes the whole
video, which costs a sixteenth of measuring it, and measures its own stretches.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from expllm.core.errors import OutputError
from expllm.core.vocabulary import AU_NAMES
from expllm.files.atomic import whole_file
from expllm.files.signals import check
from expllm.video.clip import Clip, Damage, Frame, Sampling
from expllm.video.faceshape import Shape
from expllm.video.follower import Follower
from expllm.video.readings import Reading, UnitMeter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SECONDS: Final = 10.0
"""Length of a stretch: what is measured again at most after a run was killed."""


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
        notes: Frame size, counts, damage.
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


@dataclass
class _Draft:
    """A stretch that is being measured."""

    index: int
    frames: list[tuple[int, float, bool, bool]] = field(default_factory=list)
    faces: list[tuple[int, Reading]] = field(default_factory=list)
    shapes: dict[int, Shape] = field(default_factory=dict)
    unfitted: int = 0
    searched: int = 0
    size: tuple[int, int] = (0, 0)

    def finished(self, damage: Sequence[Damage]) -> Stretch:
        import numpy as np

        frames = list(zip(*self.frames, strict=True)) or [(), (), (), ()]
        readings = [reading for _, reading in self.faces]
        shapes = [self.shapes[track].values for track in range(len(self.shapes))]
        notes = {
            "size": self.size, "unfitted": self.unfitted, "searched": self.searched,
            "damage": [asdict(one) for one in damage],
        }  # fmt: skip
        return Stretch(
            self.index,
            np.array(frames[0], np.int64), np.array(frames[1], np.float64),
            np.array(frames[2], np.bool_), np.array(frames[3], np.bool_),
            np.array([row for row, _ in self.faces], np.int32),
            np.array([one.track for one in readings], np.int32),
            np.array([one.box for one in readings], np.float32).reshape(-1, 4),
            np.array([one.score for one in readings], np.float32),
            np.array([one.pose for one in readings], np.float32).reshape(-1, 3),
            np.array([one.units for one in readings], np.float32).reshape(-1, len(AU_NAMES)),
            np.array([one.doubt for one in readings], np.int32),
            np.array(shapes, np.float32).reshape(-1, 20),
            notes,
        )  # fmt: skip


class StretchFolder:
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

    def all(self) -> Iterator[Stretch]:
        """Every stretch, in order; one is in memory at a time."""
        for index in sorted(self.done()):
            yield self.read(index)

    def forget_shapes(self) -> None:
        """Writes the stretches again without the shapes of faces: they have served."""
        for stretch in self.all():
            if stretch.shapes is not None:
                held = {**vars(stretch), "shapes": None}
                self.write(Stretch(**held))


@dataclass(frozen=True)
class Share:
    """Which stretches a process measures: of every `of` the one with the number `mine`."""

    mine: int = 0
    of: int = 1


Watcher = Callable[[float, int], None]
"""Is told the time that is reached, in seconds, and how many faces the frame has."""


class StretchMeter:
    """Measures the stretches of videos. Not for two threads at once; close it (or use `with`).

    Args:
        mirrored: The videos are mirror images: swap left and right.
        landmarker: Path of `face_landmarker.task`; found by itself when None.
    """

    def __init__(self, *, mirrored: bool = False, landmarker: str | None = None) -> None:
        self._meter = UnitMeter(mirrored=mirrored)
        self._follower = Follower(landmarker)
        self.au_reader = self._meter.identity
        self.detector = self._follower.detector_name

    def measure(
        self, clip: Clip, folder: StretchFolder, sampling: Sampling, share: Share | None = None,
        watch: Watcher = lambda *_: None,
    ) -> None:  # fmt: skip
        """Measures what of a video has no file yet, and writes it.

        Raises:
            VideoError: nothing of it can be decoded.
            OutputError: a stretch cannot be written.
        """
        share = share or Share()
        done = folder.done()
        draft: _Draft | None = None
        told = 0
        latest = sampling.start
        for frame in clip.frames(sampling):
            check()
            latest = max(latest, frame.time)
            index = int((latest - sampling.start) / SECONDS)
            if draft is None or index != draft.index:
                told = self._finish(draft, clip, folder, done, told, share)
                draft = _Draft(index)
                self._follower.begin()
            if index % share.of == share.mine and index not in done:
                self._take(draft, frame, latest, clip.name)
                watch(frame.time, sum(row == len(draft.frames) - 1 for row, _ in draft.faces[-32:]))
            else:
                watch(frame.time, 0)
        self._finish(draft, clip, folder, done, told, share)

    def close(self) -> None:
        """Frees the native models."""
        self._follower.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, draft: _Draft, frame: Frame, latest: float, name: str) -> None:
        """Measures one frame."""
        pixels = frame.pixels()
        found = self._follower.follow(pixels, latest, name)
        draft.size = pixels.shape[1], pixels.shape[0]
        draft.unfitted += found.unfitted
        draft.searched += found.searched
        row = len(draft.frames)
        draft.frames.append((frame.number, frame.time, frame.in_order, found.cut))
        draft.faces += [(row, reading) for reading in self._meter.read(pixels, found.faces)]
        for one in found.faces:
            known = draft.shapes.get(one.track)
            draft.shapes[one.track] = one.shape if known is None else known.blended(one.shape)

    def _finish(
        self, draft: _Draft | None, clip: Clip, folder: StretchFolder, done: set[int], told: int, share: Share
    ) -> int:
        """Writes a stretch, if it was this process's, with the damage since the last one; gives its end."""
        if draft is None:
            return told
        if draft.index % share.of == share.mine and draft.index not in done:
            folder.write(draft.finished(clip.damage[told:]))
        return len(clip.damage)
