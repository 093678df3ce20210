"""Stations that exchange messages over an air without losses, and the packets that a test lets them hear."""

import numpy as np

from tests.engine.silent_air import SilentAir
from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    RELAY,
    STEP_US,
    answer,
    answer_message,
    foresight_of,
    frame,
    nothing_sent,
    obstacles,
    own_states,
    packet_of,
    request,
    scenario,
    stations_of,
    sure_of,
)
from v2xsim.engine.channel.air import Heard
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast
from v2xsim.engine.cooperation.matching import Ask
from v2xsim.engine.cooperation.over_the_air import OverTheAir
from v2xsim.engine.cooperation.relaying import Relaying
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.results.tables import Columns
from v2xsim.streams import Streams

NOW_US, START_US = 120_000, 119_000
OWN = own_states([EGO, HELPER, OTHER, RELAY], [(0, 0), (40, 0), (20, 10), (20, -10)], egos=[EGO, OTHER])
RADIO = {"mtu_bytes": 100}
IDEAL = {"access": "ideal", "mtu_bytes": 100}


class Scene:
    """Stations that exchange messages; all of them keep announcements.

    Args:
        answers: What helpers answer, by helper.
        passing: Stations that pass on what a helper broadcasts, by helper.
    """

    def __init__(self, *, radio=None, answers=None, passing=None, **keys):
        settings = scenario(radio=RADIO if radio is None else radio, cooperation={"relay": "best_snr", **keys})
        self.air, self.stations = SilentAir(), stations_of(OWN, all_listen=True)
        self.transfers, self.table, self.nominations = nothing_sent(), Columns("relays"), Columns("nominations")
        self.relaying = Relaying(
            obstacles(),
            settings.cooperation,
            settings.radio,
            Streams(1),
            self.table,
            self.nominations,
            foresight_of(settings),
        )
        self.relaying.passing = passing or {}
        self.requests = []

        def answer_to(asked):
            self.requests.append(asked)
            return (answers or {}).get(asked.helper)

        self.exchange = OverTheAir(
            settings, Clock(NOW_US), self.air, self.stations, OwnTracks(STEP_US), self.transfers, self.relaying,
            CycleForecast(settings.radio.access.name, settings.radio.retries, settings.radio.mtu_bytes), answer_to,
        )  # fmt: skip

    def receive(self, packet, *receivers, snr_db=20.0):
        agents = np.array(receivers, np.int64)
        self.exchange.receive(Heard(packet, agents, START_US, NOW_US, np.full(len(agents), snr_db)))

    def known_to(self, agent):
        return self.stations.knowledge_of(agent)

    def announced_to(self, agent):
        return self.stations.neighbours.known_by(agent)


def passed_on_by(*stations, helper=HELPER):
    """Return that these stations pass on what a helper broadcasts."""
    return {helper: set(stations)}


def asked(scene, relay=NOBODY, helpers=(HELPER,), cells=4, *, success=1.0, **path):
    """Let an ego ask helpers for its frame of 100 ms, and return the messages."""
    ego = frame(EGO, 100_000, code=np.zeros((cells, cells)))
    wanted = np.ones((cells, cells), bool)
    scene.exchange.ask(ego, [Ask(h, relay, sure_of(h, success), wanted, 900, **path) for h in helpers])
    return scene.air.sent


def with_request(relay=NOBODY, fragments=1, *, helper=HELPER, **about):
    """Return a scene in which an ego has asked, and the message."""
    scene = Scene(**about)
    (message,) = asked(scene, relay, (helper,), cells=26 if fragments == 2 else 4)
    scene.air.sent.clear()
    return scene, message


READY = answer(request(number=1, frame_us=100_000), frame(HELPER, 80_000), size_bytes=150)


def with_answer(*fragments, of=2, ego=EGO, radio=RADIO, relay=NOBODY, hop=1, receivers=()):
    """Return a scene in which fragments of an answer of 150 bytes reached the ego, the relay or given stations, and the transfer."""
    scene = Scene(radio=radio)
    message = answer_message(answer(request(ego=ego, frame_us=100_000), frame(HELPER), size_bytes=150), relay=relay)
    transfer = Transfer.of(message, 100_000, 0, 0, of)
    scene.transfers.add(transfer)
    for fragment in fragments:
        scene.receive(
            packet_of(message, hop=hop, fragment=fragment, fragments=of), *(receivers or (message.first_target,))
        )
    return scene, transfer
