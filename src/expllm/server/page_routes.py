"""The page: its files, from a fixed list, and what it has to know of the server."""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from expllm import __version__
from expllm.core.records import Record
from expllm.model.shipped import OFFLINE
from expllm.server.http_errors import ApiError
from expllm.server.measurer import BrowserMeasurer
from expllm.server.server_config import ServerConfig, is_loopback

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".task": "application/octet-stream",
    ".wasm": "application/wasm",
}
SHARED: Final = ("report.css", "face_mesh.json", "au_regions.json")
"""Assets that the page has in common with the reports."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WORKER: Final = "measure.js"
WORKER_POLICY: Final = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
"""What measures the camera's pictures may compile WebAssembly, and reach nobody but this server."""
MEASURER: Final = "measurer/"


@dataclass(frozen=True)
class PageFile:
    """One file of the page, in memory."""

    data: bytes
    packed: bytes
    type: str
    etag: str

    @classmethod
    def of(cls, path: Traversable) -> "PageFile":
        """Reads it."""
        data = path.read_bytes()
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        return cls(data, gzip.compress(data), _TYPES[Path(path.name).suffix], etag)

    def response(self, request: Request, policy: str) -> Response:
        """The answer, packed where that helps; empty where the browser has this very file."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Content-Security-Policy": policy}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        if len(self.packed) < len(self.data) and "gzip" in request.headers.get("accept-encoding", ""):
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            return Response(self.packed, headers=headers, media_type=self.type)
        return Response(self.data, headers=headers, media_type=self.type)


class ServerFacts(Record):
    """What the page has to know of its server.

    Attributes:
        local: It can be reached from its own machine only.
        needs_key: Every request but this one needs a key.
        camera: The browser can measure a camera's pictures itself.
        video: Videos may be sent.
        models: Names, the default first.
        rules: The name of the rules among them.
        body_bytes: Most bytes of a picture.
        video_bytes: Most bytes of a video.
        examples: File names of the bundled pictures, the first explained at once.
    """

    version: str
    local: bool
    needs_key: bool
    camera: bool
    video: bool
    models: tuple[str, ...]
    rules: str
    body_bytes: int
    video_bytes: int
    examples: tuple[str, ...]


def page_routes(config: ServerConfig, models: tuple[str, ...]) -> APIRouter:
    """The routes.

    Args:
        config: What the server was started with.
        models: Names of the models, the default first.
    """
    router, found = APIRouter(), page_files()
    measurer = BrowserMeasurer.fetched() if config.camera else BrowserMeasurer.cached()
    facts = ServerFacts(
        version=__version__,
        local=is_loopback(config.host),
        needs_key=bool(config.keys),
        camera=measurer is not None,
        video=config.video,
        models=models,
        rules=OFFLINE,
        body_bytes=config.limits.body_bytes,
        video_bytes=config.limits.video_bytes,
        examples=tuple(name for name in found if name.endswith(".jpg")),
    )

    @router.get("/", include_in_schema=False)
    async def start(request: Request) -> Response:
        return found["index.html"].response(request, POLICY)

    @router.get("/page/server.json", include_in_schema=False)
    async def server() -> ServerFacts:
        return facts

    @router.get("/page/{name:path}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        if name in found:
            return found[name].response(request, WORKER_POLICY if name == WORKER else POLICY)
        path = None if measurer is None else measurer.files.get(name.removeprefix(MEASURER))
        if path is None or not name.startswith(MEASURER):
            raise ApiError(404, "There is no such file.", "not_found")
        return FileResponse(path, media_type=_TYPES[path.suffix], headers={"Cache-Control": "no-cache"})

    return router


def page_files() -> dict[str, PageFile]:
    """Everything that the page loads from this package, by name."""
    package = files("expllm")
    own = {path.name: path for path in package.joinpath("server", "page").iterdir() if path.is_file()}
    shared = {name: package.joinpath("assets", name) for name in SHARED}
    return {name: PageFile.of(path) for name, path in sorted((own | shared).items())}
