from dataclasses import replace

import numpy as np
import pytest
from crossing_run import EGO, HELPER, TRUCK

from v2xsim.viz.run.folder import RunFolder
from v2xsim.viz.run.frame_links import FrameLinks
from v2xsim.viz.run.kept_frame import KeptFrame, load_frame
from v2xsim.viz.run.story import story

Link = tuple[int, int, str, str, bool, float]


@pytest.fixture(scope="session")
def frame(folder: RunFolder) -> KeptFrame:
    return load_frame(folder, 2)


def with_links(frame: KeptFrame, *links: Link) -> KeptFrame:
    """Return a frame with links (a, b, state, role, used, expected delivery) instead of its own."""
    a, b, state, role, used, expected = zip(*links, strict=True) if links else [()] * 6
    count = np.zeros(len(links), np.int64)
    words = (np.array(state, object), np.array(role, object))
    ends = (np.array(a, np.int64), np.array(b, np.int64))
    return replace(
        frame, links=FrameLinks(*ends, *words, np.array(used, bool), count, count, np.array(expected, float))
    )


def relayed(*helpers: int, state: str = "NLOSb", expected: float = float("nan")) -> list[Link]:
    links: list[Link] = []
    for helper in helpers:
        hops = ((EGO, TRUCK, "LOS", "relay_hop", True, np.nan), (TRUCK, helper, "LOS", "relay_hop", True, np.nan))
        links += [*hops, (EGO, helper, state, "replaced", False, expected)]
    return links


def test_the_sentence_says_who_told_on_whose_reports(frame: KeptFrame) -> None:
    told = with_links(frame, *relayed(HELPER))
    told = replace(told, links=replace(told.links, tellers=frozenset({TRUCK})))
    assert story(told)[0] == "truck told on reports of helper: a building blocks the direct link."


def test_the_sentence_says_who_relays_for_whom_and_why(frame: KeptFrame) -> None:
    assert story(frame)[0] == "truck relays for helper: a building blocks the direct link (expected delivery 4 %)."


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("NLOSb", "a building blocks the direct link"),
        ("NLOSv", "a vehicle blocks the direct link"),
        ("LOS", "the direct link is too weak"),
    ],
)
def test_the_reason_is_the_state_of_the_link_that_was_not_used(frame: KeptFrame, state: str, reason: str) -> None:
    assert story(with_links(frame, *relayed(HELPER, state=state))) == [
        f"truck relays for helper: {reason}.", f"truck relays for one helper: {reason}.",
    ]  # fmt: skip


def test_helpers_behind_one_relay_are_told_together(frame: KeptFrame) -> None:
    told = story(with_links(frame, *relayed(HELPER, 3, expected=0.3)))
    assert (
        told[0]
        == "truck relays for helper and crossing: buildings block their direct links (expected delivery at most 30 %)."
    )
    assert told[-1] == "truck relays for 2 helpers: buildings block their direct links."


def test_links_that_were_weak_for_different_reasons_are_called_weak(frame: KeptFrame) -> None:
    told = story(with_links(frame, *relayed(HELPER, state="NLOSb"), *relayed(3, state="LOS")))
    assert told[0] == "truck relays for helper and crossing: the direct links are too weak."


def test_data_that_came_directly_is_told_so(frame: KeptFrame) -> None:
    links = [(EGO, agent, "LOS", "direct", True, np.nan) for agent in (TRUCK, HELPER, 3, 4)]
    assert story(with_links(frame, *links[:2]))[0] == "The data of truck and helper came directly."
    assert story(with_links(frame, *links))[0] == "The data of truck, helper and 2 others came directly."


def test_an_ego_that_asked_in_vain_is_told_so(frame: KeptFrame) -> None:
    asked = (EGO, HELPER, "NLOSb", "direct", False, np.nan)
    assert story(with_links(frame, asked))[0] == "The ego asked helper, but no data arrived in time."


def test_an_ego_that_asked_nobody_is_told_so(frame: KeptFrame) -> None:
    assert story(replace(with_links(frame), after=frame.before)) == ["The ego fused no data of other stations."]


def test_an_ego_whose_matrix_was_filled_although_nobody_sent_it_data_is_told_so(frame: KeptFrame) -> None:
    assert (frame.after.code != frame.before.code).any()
    assert story(with_links(frame)) == ["The ego fused the matrices in announcements."]
