"""The true state of all stations."""

from tests.engine.small_world import fleet_in, snapshot
from v2xsim.engine.stations.fleet import Fleet


def test_a_station_is_found_by_its_agent():
    stations = fleet_in(snapshot([3, 5, 9], [(0, 0), (1, 0), (2, 0)]))
    assert [stations.index(agent) for agent in (3, 5, 9, 4, 10, -1)] == [0, 1, 2, -1, -1, -1]


def test_nobody_has_no_entry_in_any_column():
    nobody = Fleet.none()
    assert len(nobody) == 0
    assert {len(getattr(nobody, name)) for name in Fleet.__dataclass_fields__} == {0}
