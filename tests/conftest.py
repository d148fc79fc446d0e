"""Things that many tests share: real models opened once, one real face, the data beside the project."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from expllm.facefinder import FaceFinder

ROOT = Path(__file__).parent.parent
ASTRONAUT = ROOT / "examples" / "faces" / "astronaut.jpg"
SHARED = ROOT.parent / "shared"


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
