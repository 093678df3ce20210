"""One capture of a station."""

from tests.engine.small_world import frame


def test_two_frames_with_the_same_content_are_two_frames():
    one, other = frame(), frame()
    assert one != other
    assert {one: 1, other: 2}[one] == 1
