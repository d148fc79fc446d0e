"""Four pieces in one square: where they come from, and where a face in them lies."""

import numpy as np
import pytest

from expllm.faces.detectors import Detection
from expllm.faces.mosaics import PIECE_SIDE, MosaicPiece, in_picture, mosaic, piece_around


@pytest.mark.parametrize(
    ("middle", "piece"),
    [
        ((300, 200), MosaicPiece(260, 160, 80)),
        ((5, 5), MosaicPiece(0, 0, 80)),
        ((639, 479), MosaicPiece(560, 400, 80)),
    ],
)
def test_a_piece_is_moved_into_the_picture(middle: tuple[int, int], piece: MosaicPiece) -> None:
    assert piece_around(*middle, 80, (640, 480)) == piece


def test_a_piece_may_be_larger_than_the_picture() -> None:
    pixels = np.full((30, 50, 3), 200, np.uint8)
    square = mosaic(pixels, [piece_around(20, 20, 80, (50, 30))])
    assert square.shape == (2 * PIECE_SIDE, 2 * PIECE_SIDE, 3)
    assert (square[:24, :40] == 200).all()
    assert not square[24:].any()
    assert not square[:, 40:].any()


def test_four_pieces_stand_in_four_corners_and_faces_go_back_to_where_they_were() -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pieces = [
        MosaicPiece(10, 20, 80),
        MosaicPiece(300, 30, 160),
        MosaicPiece(20, 240, 80),
        MosaicPiece(400, 200, 160),
    ]
    for number, piece in enumerate(pieces):
        pixels[piece.top : piece.top + piece.side, piece.left : piece.left + piece.side] = 50 + number
    square = mosaic(pixels, pieces)
    assert [int(square[y, x, 0]) for y, x in ((30, 30), (30, 90), (90, 30), (90, 90))] == [50, 51, 52, 53]
    face = in_picture(Detection((80, 80, 32, 16), 0.9, ((96.0, 88.0),)), pieces)
    assert face == Detection((440, 240, 80, 40), 0.9, ((480.0, 260.0),))


def test_a_face_where_no_piece_is_is_none() -> None:
    assert in_picture(Detection((80, 80, 20, 20), 0.9), [MosaicPiece(0, 0, 80)]) is None
