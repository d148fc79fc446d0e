"""Face boxes: the largest face or the labelled one, remembered on disk, cut out with a margin."""

import io
import multiprocessing
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from waiting import HANG_S

from expllm.core.errors import ImageError, MissingWeights, OutputError, RecordError
from expllm.faces.box_cache import BoxCache, detector_identity
from expllm.faces.boxes import MARGIN, boxed, crop
from expllm.faces.finder import FaceFinder
from expllm.faces.landmarks import Face
from expllm.files.images import Picture, open_image

ME = detector_identity()


class Counting:
    """A finder that counts the pictures that it was asked for."""

    def __init__(self, finder: FaceFinder) -> None:
        self.finder, self.count = finder, 0

    def find(self, picture: Picture) -> list[Face]:
        self.count += 1
        return self.finder.find(picture)


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


@pytest.fixture(scope="module")
def two_faces(astronaut: NDArray[np.uint8]) -> bytes:
    """The astronaut twice: as she is at the left, at two thirds of the size at the right."""
    smaller = np.asarray(Image.fromarray(astronaut).resize((340, 340)))
    pixels = np.full((512, 852, 3), 128, np.uint8)
    pixels[:, :512] = astronaut
    pixels[:340, 512:] = smaller
    return encoded(pixels)


def test_the_largest_face_wins_unless_another_is_labelled(two_faces: bytes, finder: FaceFinder) -> None:
    largest = boxed(two_faces, finder)
    assert largest is not None
    assert 170 < largest[0] < 270
    near = boxed(two_faces, finder, near=(512 + 120, 50, 100, 100))
    assert near is not None
    assert near[0] > 512
    assert near[2] < 0.8 * largest[2]
    assert boxed(two_faces, finder, near=(0, 450, 20, 20)) is None


def test_found_faces_and_their_absence_are_remembered(
    two_faces: bytes, finder: FaceFinder, tmp_path: Path
) -> None:
    empty = encoded(np.full((64, 64, 3), 90, np.uint8))
    counting = Counting(finder)
    with BoxCache(tmp_path / "boxes.sqlite", ME) as cache:
        first = [boxed(data, counting, cache) for data in (two_faces, empty)]
        assert [boxed(data, counting, cache) for data in (two_faces, empty)] == first
        assert boxed(two_faces, counting, cache, near=(632, 50, 100, 100)) not in (None, first[0])
    assert counting.count == 2
    assert first[1] is None  # and not the whole picture
    with BoxCache(tmp_path / "boxes.sqlite", ME) as cache:
        assert [boxed(data, counting, cache) for data in (two_faces, empty)] == first
    with BoxCache(tmp_path / "boxes.sqlite", "another detector") as cache:
        boxed(two_faces, counting, cache)
    assert counting.count == 3


def test_what_is_no_picture_is_an_error_and_not_remembered(finder: FaceFinder, tmp_path: Path) -> None:
    with BoxCache(tmp_path / "boxes.sqlite", ME) as cache:
        with pytest.raises(ImageError):
            boxed(b"no picture", finder, cache)
        assert cache.get(sha256(b"no picture").digest()) is None


def test_detectors_differ_by_their_file(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"a")
    (tmp_path / "b.onnx").write_bytes(b"b")
    names = {ME, detector_identity(tmp_path / "a.onnx"), detector_identity(tmp_path / "b.onnx")}
    assert len(names) == 3
    with pytest.raises(MissingWeights, match="no detector at"):
        detector_identity(tmp_path / "c.onnx")


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"something else" * 100)
    with pytest.raises(RecordError, match="is no cache of face boxes"):
        BoxCache(tmp_path / "a", ME)
    with pytest.raises(OutputError, match="cannot use the cache"):
        BoxCache(tmp_path / "no folder" / "a", ME)
    path = tmp_path / "boxes.sqlite"
    with BoxCache(path, ME) as cache:
        cache.put(key(1), [(1, 2, 3, 4)])
        with sqlite3.connect(path) as file:
            file.execute("UPDATE boxes SET boxes = '[[1, 2]]'")
        with pytest.raises(RecordError, match="delete it"):
            cache.get(key(1))
        file.execute("PRAGMA user_version = 99")
        file.close()
    with pytest.raises(RecordError, match="its version is 99"):
        BoxCache(path, ME)


def fill(cache: BoxCache, start: int) -> int:
    for number in range(60):
        cache.put(key(number), [(start, number, 1, 1)])
    return sum(cache.get(key(number)) is not None for number in range(60))


def test_processes_share_a_cache_that_was_handed_to_them(tmp_path: Path) -> None:
    with BoxCache(tmp_path / "boxes.sqlite", ME) as cache:
        cache.put(key(0), [])  # the connection is in use when the processes begin
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.starmap(fill, [(cache, 1), (cache, 2)]) == [60, 60]
        assert cache.get(key(0)) == ()
        rows = [cache.get(key(number)) for number in range(1, 60)]
    assert all(row in (((1, n, 1, 1),), ((2, n, 1, 1),)) for n, row in enumerate(rows, start=1))


TOGETHER = """
import multiprocessing, sys
from hashlib import sha256
from expllm.faces.box_cache import BoxCache

def put(path, together, number):
    together.wait()
    with BoxCache(path, "me") as cache:
        cache.put(sha256(str(number).encode()).digest(), [(number, 0, 1, 1)])

context = multiprocessing.get_context("fork")
for attempt in range(20):
    path, together = f"{sys.argv[1]}/{attempt}.sqlite", context.Barrier(6)
    workers = [context.Process(target=put, args=(path, together, number)) for number in range(6)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
"""


def test_processes_that_make_the_file_together(tmp_path: Path) -> None:
    """One in sixty collided: SQLite does not wait while a new file is set up for several writers."""
    done = subprocess.run([sys.executable, "-c", TOGETHER, str(tmp_path)], check=False, timeout=HANG_S)
    assert done.returncode == 0
    for attempt in range(20):
        with BoxCache(tmp_path / f"{attempt}.sqlite", "me") as cache:
            assert [cache.get(key(n)) for n in range(6)] == [((n, 0, 1, 1),) for n in range(6)]


def test_threads_share_a_cache(tmp_path: Path) -> None:
    with BoxCache(tmp_path / "boxes.sqlite", ME) as cache:
        counts: list[int] = []
        threads = [threading.Thread(target=lambda: counts.append(fill(cache, 1))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == [60] * 4
        assert pickle.loads(pickle.dumps(cache)).get(key(3)) == ((1, 3, 1, 1),)


def test_what_was_put_survives_a_kill(tmp_path: Path) -> None:
    """The process is killed right after its 25th `put`."""
    path = tmp_path / "boxes.sqlite"
    code = (
        "import os, sys; from hashlib import sha256; from expllm.faces.box_cache import BoxCache\n"
        "cache = BoxCache(sys.argv[1], sys.argv[2])\n"
        "for n in range(25): cache.put(sha256(str(n).encode()).digest(), [(n, 0, 1, 1)])\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), ME], check=False)
    assert done.returncode == -signal.SIGKILL
    with BoxCache(path, ME) as cache:
        assert [cache.get(key(n)) for n in range(25)] == [((n, 0, 1, 1),) for n in range(25)]


def gradient(wide: int, high: int) -> Picture:
    """Red says the column and green the row; blue is 255 everywhere in the picture."""
    pixels = np.full((high, wide, 3), 255, np.uint8)
    pixels[..., 0] = np.arange(wide)
    pixels[..., 1] = np.arange(high)[:, None]
    return open_image(pixels, analysis_side=None)


@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.tuples(*[st.floats(-50, 250)] * 2, *[st.floats(0.1, 150)] * 2),
    st.floats(0, 0.6),
)
@settings(max_examples=200)
def test_a_crop_is_a_square_piece_of_the_picture(
    size: tuple[int, int], box: tuple[float, float, float, float], margin: float
) -> None:
    picture = gradient(*size)
    square = crop(picture, box, margin)
    side = max(1, round(max(box[2:]) * (1 + 2 * margin)))
    assert square.shape == (side, side, 3)
    inside = square[..., 2] == 255
    assert bool((square[~inside] == 0).all())
    rows, columns = np.nonzero(inside)
    if len(rows):
        x, y = square[rows[0], columns[0], 0] - columns[0], square[rows[0], columns[0], 1] - rows[0]
        assert bool((square[..., 0][inside] == columns + x).all())
        assert bool((square[..., 1][inside] == rows + y).all())
    if side <= min(size):
        assert bool(inside.all())


def test_a_crop_holds_the_box_and_its_margin() -> None:
    square = crop(gradient(200, 100), (50, 20, 40, 60))
    side = round(60 * (1 + 2 * MARGIN))
    assert square.shape == (side, side, 3)
    assert square[0, 0].tolist() == [50 + 20 - side // 2, 20 + 30 - side // 2, 255]


def test_a_box_of_a_reduced_picture_is_in_full_size_pixels(
    astronaut: NDArray[np.uint8], finder: FaceFinder
) -> None:
    large = np.asarray(Image.fromarray(astronaut).resize((1536, 1536)))
    box = boxed(encoded(large), finder)
    assert box is not None
    assert 200 < box[2] < 500
    full, reduced = (crop(open_image(large, analysis_side=side), box) for side in (None, 512))
    assert full.shape[0] == pytest.approx(3 * reduced.shape[0], abs=3)
    smaller = np.asarray(Image.fromarray(full).resize(reduced.shape[:2]), np.float32)
    assert np.abs(smaller - reduced.astype(np.float32)).mean() < 8
