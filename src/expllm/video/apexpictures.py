"""Texts by a model that looks: it is shown the face at an episode's apex, and told the peaks of the events.

A chat model is shown onset and offset, too, and told what moves when. The rules tell the course; a trained
model tells what it sees at the strongest moment. Its text is audited against the peaks of the whole episode,
and what it says of time against the events.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from expllm.faces.crops import crops_of
from expllm.files.atomic import whole_file
from expllm.files.images import Picture
from expllm.predict.base import FaceExplainer, FaceInput, ShownEpisode
from expllm.video.analysis import VideoAnalysis
from expllm.video.clip import Clip
from expllm.video.events import Episode
from expllm.video.story import peaks_of
from expllm.video.timecode import clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

ONSET, APEX, OFFSET = range(3)
THUMBNAIL: Final = 160
"""Pixels of a side of the pictures in a report."""


def explained_by(
    explainer: FaceExplainer, clip: Clip, analysis: VideoAnalysis, *, write: bool = True
) -> list[Episode]:
    """The episodes with labels and texts of a model.

    Args:
        explainer: Who is asked, an episode at a time.
        clip: The video, opened anew: it is decoded once; faces are kept until they were shown.
        analysis: What was found in it.
        write: False: labels only.

    Raises:
        VideoError: the video cannot be read any more.
    """
    if not explainer.needs_image:
        return [_explained(explainer, None, one, analysis, write=write) for one in analysis.episodes]
    done: dict[int, Episode] = {}
    for episode, faces in episode_faces(clip, analysis, whole=not explainer.needs_face_box):
        done[episode.number] = _explained(explainer, faces, episode, analysis, write=write)
    return [done.get(episode.number, episode) for episode in analysis.episodes]


def write_apex_faces(folder: Path, clip: Clip, analysis: VideoAnalysis) -> dict[int, bytes]:
    """Writes the face at the apex of each episode as a JPEG; gives a small one of each, by its number.

    Args:
        folder: Made if need be; pictures of an earlier analysis in it are deleted.
        clip: The video, opened anew.
        analysis: What was found in it.

    Raises:
        VideoError: it cannot be read any more.
        OutputError: a picture cannot be written.
    """
    forget_apex_faces(folder)
    found: dict[int, bytes] = {}
    for episode, faces in episode_faces(clip, analysis, moments=(APEX,)):
        folder.mkdir(exist_ok=True)
        with whole_file(folder / apex_name(episode), "wb") as file:
            faces[APEX].save(file, "JPEG", quality=92)
        found[episode.number] = _thumbnail(faces[APEX])
    return found


def forget_apex_faces(folder: Path) -> None:
    """Deletes what `write_apex_faces` wrote."""
    for old in folder.glob("[0-9]*.jpg"):
        old.unlink()


def apex_name(episode: Episode) -> str:
    """Name of the file of an episode's face."""
    return f"{episode.number:04d}.jpg"


def _thumbnail(face: "Image.Image") -> bytes:
    file, small = io.BytesIO(), face.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(file, "JPEG", quality=85)
    return file.getvalue()


def episode_faces(
    clip: Clip, analysis: VideoAnalysis, *, moments: tuple[int, ...] = (ONSET, APEX, OFFSET),
    whole: bool = False,
) -> "Iterator[tuple[Episode, dict[int, Image.Image]]]":  # fmt: skip
    """The faces of each episode by moment, as soon as the last of them was decoded.

    Args:
        clip: The video, opened anew.
        moments: Which of `ONSET`, `APEX` and `OFFSET`.
        whole: See `crops_of`.

    Raises:
        VideoError: it cannot be read any more.
    """
    wanted: dict[int, list[tuple[Episode, int]]] = {}
    for episode in analysis.episodes:
        for moment in moments:
            row = _row(analysis, episode, moment)
            wanted.setdefault(int(analysis.course_of(episode).number[row]), []).append((episode, moment))
    held: dict[int, dict[int, Image.Image]] = {}
    for frame in clip.frames(analysis.options.sampling):
        if frame.number not in wanted:
            continue
        pixels = frame.pixels()
        for episode, moment in wanted.pop(frame.number):
            faces = held.setdefault(episode.number, {})
            faces[moment] = _face(pixels, analysis, episode, moment, whole=whole)
            if len(faces) == len(moments):
                yield episode, held.pop(episode.number)
        if not wanted:
            return


def told_events(episode: Episode) -> tuple[str, ...]:
    """What moves when, a sentence for each event, in the order of their onsets.

    Sides are the subject's own; letters are those of the readings.
    """
    return tuple(
        f"{event.unit}: {clock(event.onset)} to {clock(event.offset)}, strongest at "
        f"{clock((event.apex_start + event.apex_end) / 2)} with {event.peak:.2f} of 1."
        for event in episode.events
    )


def _row(analysis: VideoAnalysis, episode: Episode, moment: int) -> int:
    """Which row of the course of an episode's person is meant."""
    import numpy as np

    course = analysis.course_of(episode)
    if moment == APEX:
        return int((course.number == episode.apex_frame).argmax())
    time = episode.start if moment == ONSET else episode.end
    return int(np.abs(course.time - time).argmin())


def _face(
    pixels: "NDArray[np.uint8]", analysis: VideoAnalysis, episode: Episode, moment: int, *, whole: bool
) -> "Image.Image":
    box = analysis.course_of(episode).box[_row(analysis, episode, moment)].tolist()
    picture = Picture(pixels, analysis.info.name, (pixels.shape[1], pixels.shape[0]))
    x, y, width, height = box
    (crop,) = crops_of(picture, [(x, y, width, height)], whole=whole, flipped=analysis.options.mirrored)
    return crop


def _explained(
    explainer: FaceExplainer, faces: "dict[int, Image.Image] | None", episode: Episode,
    analysis: VideoAnalysis, *, write: bool,
) -> Episode:  # fmt: skip
    """An episode with what the model says of it; as it was where it says nothing."""
    peaks = peaks_of(analysis.course_of(episode), episode)
    shown = FaceInput(None, peaks)
    if faces is not None:
        around = ShownEpisode(faces[ONSET], faces[OFFSET], told_events(episode))
        shown = FaceInput(faces[APEX], peaks, episode=around)
    (said,) = explainer.explain([shown], write=write)
    if said.expression is None:
        return episode
    told = {"cot": said.cot, "explanation": said.explanation, "writer": explainer.writer} if write else {}
    shares = None if said.probabilities is None else dict(said.probabilities)
    return episode.model_copy(update={"expression": said.expression, "probabilities": shares, **told})
