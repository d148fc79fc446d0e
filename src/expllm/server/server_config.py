"""What a server is started with, and its limits."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from expllm.core.errors import UsageError
from expllm.core.licences import check_licence
from expllm.core.vocabulary import AUSource
from expllm.faces.pixel_reader import READ_WITH
from expllm.files.images import ImageLimits

MEBIBYTE: Final = 2**20


@dataclass(frozen=True)
class ServerLimits:
    """What one request may cost; times in seconds.

    Attributes:
        body_bytes: Of a request's body, by its head and while it is read.
        held_bytes: Of all bodies that are in memory at one time.
        max_pixels: Of a picture.
        batch_pictures: Of one batch request.
        text_characters: Of a text to be audited.
        video_bytes: Of a video's body, in place of `body_bytes`.
        video_body_s: For a whole video's body, in place of `body_s`.
        video_side: Pixels of the longer side of a video's frames.
        video_hours: That a video may last.
        videos_waiting: Videos that wait for the one that is analysed; beyond that the answer is 503.
        videos_kept: Videos in all: waiting, analysed, and finished ones that were not deleted yet.
        video_keep_s: What came of a video is forgotten so long after it was finished.
        video_streams: Clients that may watch videos by their events at one time.
        event_s: Between two looks at a video that is watched.
        quiet_s: A stream in which nothing happens for so long gets a comment, lest a proxy close it.
        course_readings: Readings of one camera recording.
        waiting_per_worker: Pictures that wait for each thread; beyond that the answer is 503.
        head_s: Until a request's head is there, counted from the connection or from the last answer.
        stall_s: Between two pieces of a body.
        body_s: For a whole body.
        work_s: From the last byte of a request to its answer.
        write_s: A client that reads nothing for so long is cut off.
        drain_s: For requests in progress at shutdown; beyond that they are answered with 503.
        close_s: For threads after that; beyond that the process ends all the same.
        together_s: A face waits so long for others to be explained with it.
    """

    body_bytes: int = 8 * MEBIBYTE
    held_bytes: int = 256 * MEBIBYTE
    max_pixels: int = 40_000_000
    batch_pictures: int = 16
    text_characters: int = 20_000
    video_bytes: int = 200 * MEBIBYTE
    video_body_s: float = 600.0
    video_side: int = 4096
    video_hours: float = 1.0
    videos_waiting: int = 2
    videos_kept: int = 16
    video_keep_s: float = 3600.0
    video_streams: int = 32
    event_s: float = 0.25
    quiet_s: float = 15.0
    course_readings: int = 2000
    waiting_per_worker: int = 4
    head_s: float = 10.0
    stall_s: float = 10.0
    body_s: float = 30.0
    work_s: float = 60.0
    write_s: float = 20.0
    drain_s: float = 20.0
    close_s: float = 5.0
    together_s: float = 0.02

    @property
    def image(self) -> ImageLimits:
        """The same for the decoder."""
        return ImageLimits(max_bytes=self.body_bytes, max_pixels=self.max_pixels, timeout_s=self.stall_s)


@dataclass(frozen=True)
class ServerConfig:
    """What a server is started with.

    Attributes:
        host: The address to listen on.
        port: 0 takes a free one.
        models: Names as `expllm analyze --model` takes them; the first is the default. The rules are always
            served.
        dtype, device, licence: Of these models, as for `open_explainer`.
        au_source: What action units of pictures are read from.
        workers: Threads that find and measure faces, each with a measurer of its own.
        keys: Any of them opens the server; none: everybody may use it.
        no_key: Serve other machines without a key.
        allowed_hosts: Names by which clients may call this server, besides `localhost` and IP addresses.
        cors: Origins whose pages may read the answers.
        allow_url: Pictures may be given as public http(s) addresses.
        video: Videos may be sent to `/v1/video`.
        camera: The page may measure a camera's pictures in the browser: see `serve.measurer`.
        rate: Requests a minute of one key or address; None for no bound.
        limits: What one request may cost.
        log: Takes the lines of the server's log. They hold nothing that a client sent.

    Raises:
        UsageError: other machines could use it without a key, a number is out of range, or the licence does
            not allow the weights that read action units.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    models: tuple[str, ...] = ()
    dtype: str = "auto"
    device: str = "auto"
    licence: str | None = None
    au_source: AUSource | str = AUSource.BLENDSHAPES
    workers: int = 1
    keys: tuple[str, ...] = field(default=(), repr=False)
    no_key: bool = False
    allowed_hosts: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()
    allow_url: bool = False
    video: bool = False
    camera: bool = False
    rate: float | None = None
    limits: ServerLimits = ServerLimits()
    log: Callable[[str], object] = field(default=lambda _: None, repr=False)

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.keys and not self.no_key:
            raise UsageError(
                f"--host {self.host} can be reached from other machines: give --key-env VAR, or --no-key "
                "to serve everybody"
            )
        if self.workers < 1:
            raise UsageError(f"--workers is {self.workers}: use at least 1")
        if self.rate is not None and not self.rate > 0:
            raise UsageError(f"the rate is {self.rate:g} requests a minute: use more than 0")
        check_licence(self.licence, *READ_WITH[AUSource(self.au_source)])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address to listen on.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
