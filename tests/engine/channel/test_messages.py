"""Messages, one class for each kind."""

import pytest

from tests.engine.small_world import answer, awareness, report, request
from v2xsim.engine.channel.messages import (
    MESSAGE_KINDS,
    AnswerMessage,
    ApplicationMessage,
    AwarenessMessage,
    ReportMessage,
    RequestMessage,
    RetoldMessage,
)
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY, Retold


@pytest.mark.parametrize(("relay", "target"), [(NOBODY, 7), (5, 5)])
def test_the_first_hop_goes_to_the_relay_if_there_is_one(relay, target):
    assert RequestMessage(1, 2, 7, relay, 100, 0, request(ego=2, helper=7)).first_target == target


def test_a_broadcast_has_everybody_as_its_target():
    assert AwarenessMessage(1, 2, EVERYBODY, NOBODY, 100, 0, awareness()).first_target == EVERYBODY


BODIES = {
    AwarenessMessage: awareness(),
    RequestMessage: request(),
    AnswerMessage: answer(),
    ReportMessage: report(),
    ApplicationMessage: b"content",
    RetoldMessage: Retold(2, (), 37),
}


def test_every_kind_has_a_class():
    kinds = [make(1, 2, 7, NOBODY, 100, 0, body).kind for make, body in BODIES.items()]
    assert tuple(kinds) == MESSAGE_KINDS == ("awareness", "request", "data", "cpm", "application", "retold")


@pytest.mark.parametrize("make", BODIES)
def test_a_message_prints_its_addresses_and_not_its_content(make):
    printed = repr(make(1, 2, 7, NOBODY, 100, 5, BODIES[make]))
    assert printed == f"{make.__name__}(number=1, origin=2, destination=7, relay=-1, size_bytes=100, queued_us=5)"
