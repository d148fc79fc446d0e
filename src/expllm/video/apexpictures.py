"""Texts by a model that looks: it is shown the face at an episode's apex, and told the peaks of the events.

The rules tell the course; a model tells what it sees at the strongest moment. Its text is audited against the
peaks of the whole episode, and what it says of time against the events.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from expllm.faces.crops import crops_of
from expllm.files.images import Picture
from expllm.predict.base import FaceExplainer, Shown
from expllm.video.analysis import VideoAnalysis
from expllm.video.clip import Clip
from expllm.video.events import Episode
from expllm.video.story import peaks_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def explained_by(
    explainer: FaceExplainer, clip: Clip, analysis: VideoAnalysis, *, write: bool = True
) -> list[Episode]:
    """The episodes with labels and texts of a model.

    Args:
        explainer: Who is asked, an episode at a time.
        clip: The video, opened anew: it is decoded once, and each apex frame is kept until it was shown.
        analysis: What was found in it.
        write: False: labels only.

    Raises:
        VideoError: the video cannot be read any more.
    """
    done: dict[int, Episode] = {}
    for pixels, episodes in _apex_frames(clip, analysis):
        for episode in episodes:
            done[episode.number] = _explained(explainer, pixels, episode, analysis, write=write)
    return [done.get(episode.number, episode) for episode in analysis.episodes]


def _apex_frames(
    clip: Clip, analysis: VideoAnalysis
) -> "Iterator[tuple[NDArray[np.uint8], Sequence[Episode]]]":
    """The frames at which some episode has its apex, with these episodes."""
    wanted: dict[int, list[Episode]] = {}
    for episode in analysis.episodes:
        wanted.setdefault(episode.apex_frame, []).append(episode)
    for frame in clip.frames(analysis.options.sampling):
        if frame.number in wanted:
            yield frame.pixels(), wanted.pop(frame.number)
        if not wanted:
            return


def _explained(
    explainer: FaceExplainer, pixels: "NDArray[np.uint8]", episode: Episode, analysis: VideoAnalysis, *,
    write: bool,
) -> Episode:  # fmt: skip
    """An episode with what the model says of it; as it was where it says nothing."""
    course = analysis.course_of(episode)
    row = int((course.number == episode.apex_frame).argmax())
    x, y, width, height = course.box[row].tolist()
    picture = Picture(pixels, analysis.info.name, (pixels.shape[1], pixels.shape[0]))
    crop = None
    if explainer.looks:
        (crop,) = crops_of(
            picture, [(x, y, width, height)], whole=not explainer.boxed, flipped=analysis.options.mirrored
        )
    (said,) = explainer.explain([Shown(crop, peaks_of(course, episode))], write=write)
    if said.expression is None:
        return episode
    told = {"cot": said.cot, "explanation": said.explanation, "writer": explainer.writer} if write else {}
    shares = None if said.probabilities is None else dict(said.probabilities)
    return episode.model_copy(update={"expression": said.expression, "probabilities": shares, **told})
