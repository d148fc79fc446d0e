"""`expllm serve`: the HTTP server."""

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from expllm.cli.ending import complain
from expllm.cli.options import AuSourceOption, DeviceOption, DtypeOption, LicenceOption
from expllm.core.errors import ExitCode, UsageError
from expllm.core.packages import SERVER, require

if TYPE_CHECKING:
    from expllm.server.uvicorn_server import Application

_CLUSTER: Final = "Cluster"

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Model to serve, as in 'expllm analyze'; may be repeated, the first is the default. The rules "
        "are always served. [default: as in 'expllm analyze']",
    ),
]
_Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="Threads. [default: one per processor, at most 4]"),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        metavar="VAR",
        rich_help_panel="Access",
        help="Environment variable of the API key; several keys are separated by spaces.",
    ),
]
NoKey = Annotated[
    bool, typer.Option("--no-key", rich_help_panel="Access", help="Serve other machines without a key.")
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        rich_help_panel="Access",
        help="Host name of this server; may be repeated.",
    ),
]
Cors = Annotated[
    list[str] | None,
    typer.Option(
        "--cors",
        metavar="ORIGIN",
        rich_help_panel="Access",
        help="Origin whose pages may use the server; may be repeated.",
    ),
]
AllowUrl = Annotated[
    bool, typer.Option("--allow-url", help="Chat: fetch pictures from public http(s) addresses.")
]
Camera = Annotated[
    bool,
    typer.Option(
        "--camera",
        help="Measure the page's camera in the browser: MediaPipe's web build is downloaded once (12 MB).",
    ),
]
Video = Annotated[
    bool,
    typer.Option(
        "--video", help="Take videos, too: POST /v1/video, and the page's video view. Analysed in memory."
    ),
]
RateLimit = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="N",
        rich_help_panel="Access",
        help="At most N requests per minute and client (key or address).",
    ),
]


RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        rich_help_panel=_CLUSTER,
        help="Answer with replicas on a Ray cluster: its address, auto, or local.",
    ),
]
Replicas = Annotated[
    int | None,
    typer.Option(
        "--replicas",
        metavar="N",
        min=1,
        rich_help_panel=_CLUSTER,
        help="Replicas on the cluster. [default: one per GPU, or per node where there are none]",
    ),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    model: Models = None,
    dtype: DtypeOption = "auto",
    device: DeviceOption = "auto",
    licence: LicenceOption = "any",
    au_source: AuSourceOption = "blendshapes",
    workers: _Workers = None,
    key_env: KeyEnv = None,
    no_key: NoKey = False,
    allowed_host: AllowedHosts = None,
    cors: Cors = None,
    allow_url: AllowUrl = False,
    video: Video = False,
    camera: Camera = False,
    rate: RateLimit = None,
    ray: RayAddress = None,
    replicas: Replicas = None,
) -> None:
    """Serve explanations of faces over HTTP: a web page, REST, and OpenAI's chat protocol.

    Images are neither stored nor logged. SIGTERM and Ctrl-C finish the requests in progress. Serving other
    machines requires --key-env or --no-key.
    """
    require(*SERVER, *(("av",) if video else ()), *(("ray",) if ray else ()))
    if ray and video:
        raise UsageError("--video and --ray exclude each other: a video's job belongs to one server")
    if replicas and not ray:
        raise UsageError("--replicas needs --ray ADDRESS")
    from expllm.cli.terminal import keep_stderr_to_ourselves
    from expllm.predict.batch import default_workers
    from expllm.server.app import create_app
    from expllm.server.server_config import ServerConfig
    from expllm.server.uvicorn_server import Server

    config = ServerConfig(
        host=host, port=port, models=tuple(model or ()), dtype=dtype, device=device,
        licence=licence, au_source=au_source, workers=workers or default_workers(),
        keys=_keys(key_env), no_key=no_key, allowed_hosts=tuple(allowed_host or ()),
        cors=tuple(cors or ()), allow_url=allow_url, video=video, camera=camera, rate=rate, log=complain,
    )  # fmt: skip
    keep_stderr_to_ourselves()
    application = create_app if ray is None else _before_replicas(ray, replicas)
    server = Server(config, application, _end_overdue)
    served = ", ".join(server.app.state.models)
    typer.echo(f"expllm: serving {served} on {server.url} (Ctrl-C ends)", err=True)
    server.serve_until_stopped()


def _before_replicas(address: str, replicas: int | None) -> "Application":
    """The application that answers with replicas on a Ray cluster.

    Raises:
        UsageError: the cluster cannot be joined.
    """
    from functools import partial

    from expllm.cot.cluster import join_cluster
    from expllm.server.door import create_door

    join_cluster(address)
    return partial(create_door, replicas=replicas)


def _end_overdue() -> None:
    """Ends the process with its threads: every request has been answered or refused by now."""
    complain("ended while a thread was still at work")
    os._exit(ExitCode.FAILURE)


def _keys(variable: str | None) -> tuple[str, ...]:
    if variable is None:
        return ()
    keys = tuple(os.environ.get(variable, "").split())
    if not keys:
        raise UsageError(
            f"the environment variable {variable} is empty or not set: set it, or leave out --key-env"
        )
    return keys
