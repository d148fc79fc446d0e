"""Animated pictures and documents of several pages: read at the first frame with a face, and said so."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from corpus import encoded, scene
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from expllm.core.errors import ImageError
from expllm.files import frames
from expllm.files.images import Picture, open_frames, open_image
from expllm.predict.predictor import Predictor


@pytest.fixture(scope="module")
def predictor() -> Iterator[Predictor]:
    with Predictor(explain=False) as opened:
        yield opened


def animated(pictures: list[Image.Image], kind: str, **options: Any) -> bytes:
    first, *rest = pictures
    return encoded(first, kind, save_all=True, append_images=rest, **options)


def fading(photo: NDArray[np.uint8], shares: tuple[float, ...] = (0, 0.02, 0.5, 1)) -> list[Image.Image]:
    bright = Image.fromarray(photo)
    return [Image.blend(Image.new("RGB", bright.size), bright, share) for share in shares]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_it_is_analyzed_at_the_first_frame_with_a_face(
    predictor: Predictor, astronaut: NDArray[np.uint8], kind: str
) -> None:
    data = animated(fading(astronaut, (0, 0, 1, 1)), kind)
    (face,) = predictor.analyze(data)
    assert face.status == "ok"
    word = "page" if kind == "TIFF" else "frame"
    total = len(list(open_frames(data)))  # a GIF keeps equal frames once
    assert face.warnings[-1] == f"Analyzed at {word} {total - (total > 2)} of {total} only."


def test_a_face_in_the_first_frame_is_analyzed_there(
    predictor: Predictor, astronaut: NDArray[np.uint8]
) -> None:
    (face,) = predictor.analyze(animated(fading(astronaut, (1, 0.5, 0)), "GIF"))
    assert "Analyzed at frame 1 of 3 only." in face.warnings
    (still,) = predictor.analyze(encoded(Image.fromarray(astronaut), "GIF"))
    assert not any("frame" in warning for warning in still.warnings)


def test_frames_without_a_face_are_counted(predictor: Predictor) -> None:
    shades = [Image.new("L", (64, 64), shade) for shade in range(0, 250, 10)]
    for pictures, kind, note in (
        (shades, "GIF", "No face was found in 12 of the 25 frames."),
        (shades[:3], "TIFF", "No face was found in any of the 3 pages."),
        (shades[:1], "PNG", ""),
    ):
        seen = predictor.measure_frames(open_frames(animated(pictures, kind)))
        assert (seen.faces, seen.note, seen.picture.frame) == ([], note, 1)


def test_the_tried_frames_reach_from_the_first_to_the_last() -> None:
    shades = [Image.new("L", (8, 8), shade) for shade in range(100)]
    seen = list(open_frames(animated(shades, "GIF")))
    assert [picture.frame for picture in seen] == [1, 10, 19, 28, 37, 46, 55, 64, 73, 82, 91, 100]
    assert {picture.frames for picture in seen} == {100}
    assert [int(picture.pixels[0, 0, 0]) for picture in seen] == [picture.frame - 1 for picture in seen]
    assert int(open_image(animated(shades, "GIF"), frame=30).pixels[0, 0, 0]) == 29


def test_large_frames_are_few() -> None:
    def tried(side: int, count: int) -> frames.Frames:
        pages = [Image.new("1", (side, side))] * count
        data = animated(pages, "TIFF", compression="group4")
        return frames.frames_of(Image.open(io.BytesIO(data)), "TIFF", data)

    assert tried(9000, 8).tried == (0, 1, 2, 3)  # 81 million pixels each
    assert tried(9000, 8).total == 8
    assert tried(100, 8).tried == tuple(range(8))


def test_a_count_without_end_is_bounded() -> None:
    still = encoded(scene(), "GIF")
    start = still.index(b",", 13 + 3 * 2 ** ((still[10] & 7) + 1))
    data = still[:start] + still[start:-1] * 5000 + b";"
    found = frames.frames_of(Image.open(io.BytesIO(data)), "GIF", data)
    assert (found.total, len(found.tried)) == (frames.MOST, frames.TRIED)


def test_a_thumbnail_in_front_of_the_page_is_passed_over() -> None:
    small, large = scene().resize((12, 8)), scene()
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer) as writer:
        for image, tags in ((small, {254: 1}), (large, {254: 0})):
            image.save(writer, "TIFF", tiffinfo=tags)
            writer.newFrame()
    (picture,) = open_frames(buffer.getvalue())
    assert (picture.full_size, picture.frame, picture.frames) == ((48, 32), 2, 1)


def test_a_broken_frame_ends_them_and_the_first_is_kept() -> None:
    data = animated([scene(), *(Image.new("RGB", (48, 32), (shade, 0, 0)) for shade in (50, 200))], "PNG")
    cut = data[: data.rindex(b"fdAT") + 8]
    seen = list(open_frames(cut))
    assert 1 <= len(seen) < 3
    with pytest.raises(ImageError):
        list(open_frames(data[:60]))


def test_a_frame_can_be_seen_larger() -> None:
    shades = [Image.new("L", (640, 480), shade) for shade in (0, 100, 200)]
    last = list(open_frames(animated(shades, "GIF"), analysis_side=64))[-1]
    assert last.larger().pixels.shape == (480, 640, 3)
    assert int(last.larger().pixels[0, 0, 0]) == int(last.pixels[0, 0, 0]) == 200
    assert last.larger(64) is last


def test_a_heic_of_several_pictures_begins_with_its_own() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    pictures = [Image.new("RGB", (64, 64), (shade, shade, shade)) for shade in (10, 120, 240)]
    data = animated(pictures, "HEIF", primary_index=1)
    seen: list[Picture] = list(open_frames(data))
    assert [picture.frame for picture in seen] == [2, 1, 3]
    assert abs(int(seen[0].pixels[0, 0, 0]) - 120) < 4
