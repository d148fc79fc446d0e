"""Things that many tests share: real models opened once, one real face, the data beside the project."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from canary import CANARY
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from PIL import Image

from expllm.chat.retries import Backoff
from expllm.faces.finder import FaceFinder
from expllm.files.weights import cache_folder
from expllm.model.gguf_cache import MARK

if TYPE_CHECKING:
    from browsing import Visit
    from serving_expllm import Running
    from tinyhub import TinyHub

ROOT = Path(__file__).parent.parent
ASTRONAUT = ROOT / "examples" / "faces" / "astronaut.jpg"
SHARED = ROOT.parent / "shared"
KEYS = ("OPENAI_API_KEY", "EXPLLM_TEST_KEY")

# A busy machine is not a fault: no property has a deadline, and none fails for drawing slowly. Fixtures that
# all examples of a property share are meant: they write the same files again. A run tries the same examples
# as the one before, so that what fails is a change's fault; `make test-search` looks for new ones.
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("search", deadline=None, suppress_health_check=SUPPRESSED, max_examples=1000)
settings.register_profile("patient", settings.get_profile("search"), derandomize=True, max_examples=100)
settings.load_profile("patient")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Figures that tests have measured (`record_property`), at the end of a run."""
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session", autouse=True)
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A key that nothing may write down: no file of any test holds it when all have run."""
    for name in KEYS:
        os.environ[name] = CANARY
    yield
    written = [tmp_path_factory.getbasetemp(), Path(os.environ["XDG_CACHE_HOME"])]
    for path in (path for folder in written for path in folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < 2**27:
            assert CANARY.encode() not in path.read_bytes(), f"a key stands in {path}"


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Settings and caches of whoever runs the tests stay out of them."""
    for name in ("EXPLLM_DATA", "EXPLLM_SETTINGS"):
        os.environ.pop(name, None)
    os.environ["EXPLLM_MODEL"] = "offline"  # the shipped model takes seconds to load: its tests name it
    base = tmp_path_factory.getbasetemp()
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("home") / "config")
    unpacked = [mark.parent for mark in cache_folder().glob(f"*/{MARK}")]
    # One for all workers of a run: to unpack a language model takes half a minute.
    together = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["XDG_CACHE_HOME"] = str(together / "cache")
    # What the installation has unpacked serves the tests, too: each reader checks its hashes.
    cache_folder().mkdir(parents=True, exist_ok=True)
    for folder in unpacked:
        with suppress(FileExistsError):
            (cache_folder() / folder.name).symlink_to(folder)


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """[512, 512, 3] RGB: a smiling face of about 90 pixels (NASA, public domain)."""
    return np.asarray(Image.open(ASTRONAUT).convert("RGB"))


@pytest.fixture(scope="session")
def finder() -> Iterator[FaceFinder]:
    with FaceFinder() as opened:
        yield opened


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data folder beside the project; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared, which is not here")
    return SHARED


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> "TinyHub":
    """Both base models of `paper` in a cache of the hub, with small sizes; no test changes it."""
    from tinyhub import tiny_hub

    return tiny_hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def cached(hub: "TinyHub", monkeypatch: pytest.MonkeyPatch) -> "TinyHub":
    """The same, as the cache that this process reads: the library asks its environment on import only."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return hub


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of a server that fail are tried again at once, not after seconds."""
    monkeypatch.setattr("expllm.chat.endpoint.Backoff", partial(Backoff, base=0.01))


@pytest.fixture(scope="module")
def server() -> "Iterator[Running]":
    """`expllm serve` with the rules alone, for tests that need nothing special of it."""
    from serving_expllm import running

    with running() as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium for all tests of a file; each of them visits anew."""
    from browsing import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Any, server: "Running") -> "Iterator[Visit]":
    """The page of `server`, its example explained."""
    from browsing import visiting

    with visiting(browser, server) as opened:
        yield opened
