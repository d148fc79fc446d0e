"""A video that was measured elsewhere, such as in a browser: only numbers come, of one person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from expllm.core.vocabulary import AU_NAMES
from expllm.faces.au_reader import BlendshapeReader
from expllm.video.analysis import VideoAnalysis, VideoOptions
from expllm.video.clip import ClipInfo
from expllm.video.faceshape import FaceShape
from expllm.video.readings import Doubt, FaceReading, posed
from expllm.video.stretch_store import StretchesInMemory
from expllm.video.stretches import StretchDraft

_UNMEASURED: Final = float("nan")


@dataclass(frozen=True)
class RecordedReading:
    """One picture that was measured.

    Attributes:
        time: Seconds.
        blendshapes: MediaPipe's 52; None where there was no face.
        box: x, y, width, height in pixels.
        pose: Pitch, yaw, roll in degrees, signs as in `HeadPose`; None where nobody measured it.
    """

    time: float
    blendshapes: Mapping[str, float] | None
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    pose: tuple[float, float, float] | None = None


def analysis_of(
    name: str, size: tuple[int, int], recorded: Sequence[RecordedReading], options: VideoOptions
) -> VideoAnalysis:
    """People (one at most), events and episodes of what was measured elsewhere.

    Args:
        name: How to call the recording.
        size: Width and height of its pictures.
        recorded: In the order of their times; at least one.
        options: Sampling and stream do not count.

    Raises:
        KeyError: a blendshape is missing.
    """
    import numpy as np

    reader, draft, before = BlendshapeReader(), StretchDraft(0), float("-inf")
    draft.size = size
    for row, one in enumerate(recorded):
        draft.frames.append((row, one.time, one.time > before, False))
        before = max(before, one.time)
        if one.blendshapes is not None:
            draft.faces.append((row, _reading(reader, one, mirrored=options.mirrored)))
    if draft.faces:  # nobody else is there to be told apart by the shape of the skull
        draft.shapes[0] = FaceShape(np.zeros(20, np.float32))
    store = StretchesInMemory()
    store.write(draft.finished(()))
    info = ClipInfo(name, "readings", "none", *size, None, recorded[-1].time, len(recorded))
    return VideoAnalysis(store, info, options)


def _reading(reader: BlendshapeReader, one: RecordedReading, *, mirrored: bool) -> FaceReading:
    assert one.blendshapes is not None
    aus = reader.read_blendshapes(one.blendshapes)
    if mirrored:
        aus = aus.mirrored()
    units = tuple(_UNMEASURED if (value := aus[name]) is None else value for name in AU_NAMES)
    pose = one.pose or (0.0, 0.0, 0.0)
    return FaceReading(0, one.box, _UNMEASURED, pose, units, posed(pose) if one.pose else Doubt(0))
