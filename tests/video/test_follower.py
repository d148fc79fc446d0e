"""Following: one track a face, new takes, losses and returns, and nothing found where nobody is."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from encoding import Pixels
from faces_in_motion import walk, wall
from groups import group

from expllm.faces.boxes import overlap
from expllm.video.follower import FollowedFrame, Follower


@pytest.fixture(scope="module")
def follower() -> Iterator[Follower]:
    with Follower() as opened:
        yield opened


def followed(follower: Follower, frames: Iterable[Pixels], step: float = 0.1) -> list[FollowedFrame]:
    follower.begin()
    return [follower.follow(pixels, i * step) for i, pixels in enumerate(frames)]


def tracks(frames: Iterable[FollowedFrame]) -> list[list[int]]:
    return [[one.track for one in frame.faces] for frame in frames]


def test_a_moving_face_is_one_track(follower: Follower) -> None:
    seen = followed(follower, walk(25))
    assert tracks(seen) == [[0]] * 25
    assert [frame.searched for frame in seen] == [True, *[False] * 24]
    lefts = [frame.faces[0].face.box[0] for frame in seen]
    assert lefts == sorted(lefts)


def test_stretches_do_not_depend_on_what_was_before(follower: Follower) -> None:
    first = followed(follower, walk(6))
    followed(follower, walk(3, number=1))
    again = followed(follower, walk(6))
    for one, other in zip(first, again, strict=True):
        assert one.faces[0].face.blendshapes == other.faces[0].face.blendshapes
        assert one.faces[0].face.box == other.faces[0].face.box


def test_two_people_are_two_tracks_whatever_their_order(follower: Follower) -> None:
    frames = [group((480, 240), [(20 + i, 20, 120), (300 - i, 20, 140)]) for i in range(12)]
    seen = followed(follower, frames)
    assert [sorted(numbers) for numbers in tracks(seen)] == [[0, 1]] * 12
    for frame in seen:
        left = {one.track: one.face.box[0] for one in frame.faces}
        assert (left[0] < left[1]) == (seen[0].faces[0].face.box[0] < seen[0].faces[1].face.box[0])


def test_a_face_that_comes_later_is_found_by_the_detector(follower: Follower) -> None:
    seen = followed(follower, [*wall(5), *walk(8, number=1)])
    assert tracks(seen)[:5] == [[]] * 5
    assert tracks(seen)[-1] != []


def test_a_short_loss_goes_on_with_the_same_track_and_a_long_one_with_another(follower: Follower) -> None:
    there = next(iter(walk(1)))
    nobody = next(iter(wall(1)))
    short = followed(follower, [there, there, nobody, nobody, there, there])
    assert tracks(short)[0] == tracks(short)[-1] == [0] or short[2].cut
    long = followed(follower, [there, *[nobody] * 30, *[there] * 8])
    assert tracks(long)[-1] == [1]


def test_a_cut_begins_anew(follower: Follower) -> None:
    dark = [np.zeros_like(frame) for frame in wall(1)]
    seen = followed(follower, [*walk(4), *dark, *walk(4)])
    assert seen[4].cut
    assert seen[5].cut
    assert tracks(seen)[3] != tracks(seen)[5]


def test_an_empty_frame_is_searched_rarely(follower: Follower) -> None:
    seen = followed(follower, wall(30))
    assert sum(frame.searched for frame in seen) == 1
    assert tracks(seen) == [[]] * 30


def test_overlap_of_boxes() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 0, 10, 10)) == 0.0
