"""The stretches of a video measured on a Ray cluster (extra `[ray]`): the same shares as processes here take.

Video and output folder must be on storage that every node sees. A share that loses its node starts again
elsewhere and measures only the stretches that have no file yet, so that the bytes are the same.
"""

import os
from pathlib import Path
from typing import Final

from expllm.core.errors import ExpllmError, VideoError
from expllm.video.analysis import VideoOptions
from expllm.video.share_worker import measure_share
from expllm.video.stretch_store import StretchFolder
from expllm.video.stretches import SECONDS, StretchShare, Watcher

_RESTARTS: Final = 5
"""How often a share may lose its node before the run gives up."""
BETWEEN_LOOKS: Final = 0.5
"""Seconds between two looks at the progress."""


def cluster_cpus() -> int:
    """Processors of the cluster that was joined: so many shares keep it busy."""
    import ray

    resources = ray.cluster_resources()  # type: ignore[no-untyped-call, unused-ignore]
    return max(1, int(resources.get("CPU", 1)))


def measure_on_cluster(
    source: Path, folder: StretchFolder, options: VideoOptions, count: int, watch: Watcher
) -> None:
    """Has all shares of a video measured by the cluster that `ray.init` has joined.

    Args:
        source: The video.
        folder: Of the stretches.
        count: Shares.
        watch: Is told the progress, a stretch at a time.

    Raises:
        VideoError: a share was stopped; the line says by what.
    """
    import ray

    remote = ray.remote(num_cpus=1, max_retries=_RESTARTS, retry_exceptions=False)(_guarded)
    paths = os.path.abspath(source), os.path.abspath(folder.path)
    left = [remote.remote(*paths, options, StretchShare(mine, count)) for mine in range(count)]
    try:
        while left:
            ready, left = ray.wait(left, num_returns=1, timeout=BETWEEN_LOOKS)
            watch(options.sampling.start + SECONDS * len(folder.done()), 0)
            for failure in ray.get(ready):
                if failure:
                    raise VideoError(f"{source}: {failure}")
    except ray.exceptions.RayError as error:
        raise VideoError(
            f"{source}: the cluster lost a share ({type(error).__name__}): run the command again to go on"
        ) from None
    finally:
        for one in left:
            ray.cancel(one, force=True)


def _guarded(source: str, folder: str, options: VideoOptions, share: StretchShare) -> str | None:
    """Measures a share; gives the line of what stopped it: Ray need not know this package's errors."""
    try:
        measure_share(source, folder, options, share)
    except ExpllmError as error:
        return error.line
    return None
