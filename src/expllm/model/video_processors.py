"""Processors without their part for videos, where torchvision is missing: no face is a video.

Half of the processors of `transformers` have such a part, and all of these need torchvision, of which PyPI
has no build for a CPU. Its settings are kept, so that a processor that is saved is whole.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from transformers.processing_utils import transformers_module
from transformers.utils import is_torchvision_available
from transformers.video_processing_utils import VideoProcessorMixin

_AUTO: Final[Any] = importlib.import_module("transformers.models.auto.video_processing_auto")


class NoVideos(VideoProcessorMixin):
    """Stands in a processor where the part for videos would; it reads none."""

    num_frames = None
    fps = None

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings

    @classmethod
    def from_pretrained(cls, name: str, **_: Any) -> Self:
        """With the settings of the part that it stands for."""
        return cls(**_AUTO.get_video_processor_config(name))

    def to_dict(self) -> dict[str, Any]:
        """The settings of the part that it stands for."""
        return dict(self.settings)


@contextmanager
def without_videos() -> Iterator[None]:
    """Processors are made with `NoVideos` for their part for videos, unless torchvision is there."""
    if is_torchvision_available():
        yield
        return
    own = _AUTO.AutoVideoProcessor
    # Processors look for the kind of their parts here, where it is not without torchvision.
    _AUTO.AutoVideoProcessor, transformers_module.VideoProcessorMixin = NoVideos, VideoProcessorMixin
    try:
        yield
    finally:
        _AUTO.AutoVideoProcessor = own
        del transformers_module.VideoProcessorMixin
