"""The choices of relays of four stations, of which a test names only what it is about."""

from tests.engine.cooperation.four_stations import THERE, nothing_seen, vicinities
from tests.engine.small_world import (
    EGO,
    HELPER,
    cooperation,
    foresight_of,
    obstacles,
    scenario,
)
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.engine.cooperation.relaying import Relaying
from v2xsim.results.tables import Columns
from v2xsim.streams import Streams

FRAME_US = 300_000


class ByDelivery(RelayRule):
    """A relay rule that prefers the station over whose worse hop most arrives."""

    def score(self, view):
        """Return the share of the worse hop."""
        return view.weaker_delivery


def relaying(*walls, rule=None, radio=None, bound=None, **keys):
    """Return relays of a run that has just begun, with its tables; by delivery if the test names no rule."""
    section = cooperation(**keys)
    if rule is not None or "relay" not in keys:
        section = section.model_copy(update={"relay": rule or ByDelivery()})
    tables = Columns("relays"), Columns("nominations")
    settings = scenario(radio=radio or {}, cooperation=keys)
    foresight = foresight_of(settings, *walls)
    return Relaying(obstacles(*walls), section, settings.radio, Streams(1), *tables, foresight, bound), *tables


def paths_of(state, found, seen=None):
    """Return relay, share there and share back of the paths of egos, by ego and helper."""
    paths = state.paths(found, nothing_seen(found) if seen is None else seen, FRAME_US)
    rows = zip(paths.ego, paths.helper, paths.relay, paths.there, paths.back, strict=True)
    return {(int(ego), int(helper)): (int(relay), there, back) for ego, helper, relay, there, back in rows}


def relay_of(shares=None, *, state=None, walls=(), keys=None, **about):
    """Return the relay of the ego's request to the helper."""
    state = state or relaying(*walls, **(keys or {}))[0]
    return paths_of(state, vicinities(shares, **about))[EGO, HELPER][0]


def passing_of(shares=None, *, state=None, keys=None, owners=THERE, **about):
    """Return the stations that pass on what each helper broadcasts."""
    state = state or relaying(**(keys or {}))[0]
    found = vicinities(shares, owners=owners, **about)
    state.plan_passing(found, nothing_seen(found), FRAME_US)
    return state.passing
