"""A share of a video's stretches, measured in a process of its own: on this machine or on another one."""

from pathlib import Path

from expllm.video.analysis import VideoOptions, measure_video
from expllm.video.clip import Clip
from expllm.video.stretch_store import StretchFolder
from expllm.video.stretches import StretchMeter, StretchShare


def measure_share(source: str, path: str, options: VideoOptions, share: StretchShare) -> None:
    """Measures some stretches of a video.

    Args:
        source: The video.
        path: Folder of the stretches.

    Raises:
        VideoError: it cannot be read.
        OutputError: a stretch cannot be written.
    """
    from expllm.files.native import lose_native_stderr

    lose_native_stderr()
    folder = StretchFolder(Path(path))
    with (
        StretchMeter(mirrored=options.mirrored, source=options.au_source) as meter,
        Clip(source, stream=options.stream) as clip,
    ):
        measure_video(clip, folder, options, meter, share)
