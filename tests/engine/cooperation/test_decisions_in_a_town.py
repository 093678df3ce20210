"""Every decision of a run in a town follows from what one station received, sensed and has on its map."""

from pathlib import Path

import pytest

import v2xsim
from tests.engine.cooperation.witness import watched
from tests.import_osm.small_maps import Drawing
from v2xsim.import_osm import import_osm

HERSFELD = Path(__file__).resolve().parents[4] / "shared" / "scenes" / "bad_hersfeld" / "osm_bbox.osm.xml.gz"
BLOCKS_M = range(300, 700, 110)
RUNS = {
    "requests": (
        ["cooperation.fusion=late", "cooperation.foresight=tracks", "radio.retries=2"],
        {"relayed": 20, "nominations": 20, "asks": 100, "passed on": 20, "forwarded": 10, "announcements": 500},
    ),
    "reports": (
        ["cooperation.fusion=cpm", "cooperation.redundancy=self_announcing"],
        {"nominations": 20, "passed on": 20, "reports": 100, "announcements": 500},
    ),
    "requests for blocks with rare matrices": (
        ["cooperation.fusion=late", "cooperation.matrix.interval_ms=500", "cooperation.request_coding=blocks"],
        {
            "sizes": 100,
            "relayed": 20,
            "nominations": 20,
            "asks": 100,
            "passed on": 20,
            "forwarded": 10,
            "announcements": 500,
        },
    ),
    "reports of what others miss, with rare matrices": (
        ["cooperation.fusion=cpm", "cooperation.redundancy=missed", "cooperation.matrix.interval_ms=500"],
        {
            "nominations": 20,
            "passed on": 20,
            "reports": 100,
            "announcements": 500,
            "nearby": 500,
            "seen": 100,
            "missed": 100,
        },
    ),
    "what others reported": (
        ["cooperation.fusion=cpm", "cooperation.retelling={rule: unheard, least_gain: 0.05}"],
        {
            "nominations": 20,
            "passed on": 20,
            "reports": 100,
            "announcements": 500,
            "looks": 500,
            "usable": 1000,
            "told on": 20,
        },
    ),
    "what others reported, with rare matrices and errors": (
        [
            "cooperation.fusion=cpm",
            "cooperation.retelling={rule: unseen, least_gain: 0.05}",
            "cooperation.matrix.interval_ms=500",
            "errors.gnss_sigma_m=1",
            "errors.clock_sigma_ms=60",
        ],
        {
            "nominations": 20,
            "passed on": 20,
            "reports": 100,
            "announcements": 500,
            "looks": 500,
            "usable": 1000,
            "told on": 20,
        },
    ),
    "reports of what others miss": (
        ["cooperation.fusion=cpm", "cooperation.redundancy=missed"],
        {
            "nominations": 20,
            "passed on": 20,
            "reports": 100,
            "announcements": 500,
            "nearby": 500,
            "seen": 100,
            "missed": 100,
        },
    ),
}
SETTINGS = [
    "run.duration_s=2.0",
    "stations.count=50",
    "lidars.count=14",
    "lidars.model=beam16",
    "radio.tx_power_dbm=6",
    "radio.range_m=600",
    "cooperation.matrix.extent_m=100",
    "cooperation.matrix.cell_m=4",
    "cooperation.min_delivery=0.5",
]


@pytest.fixture(scope="module")
def village(tmp_path_factory):
    """A village of streets 110 m apart with four houses in each block, imported like a town."""
    drawing, folder = Drawing(), tmp_path_factory.mktemp("village")
    low, high = BLOCKS_M[0], BLOCKS_M[-1]
    for at in BLOCKS_M:
        drawing.way([(x, at) for x in BLOCKS_M], highway="residential", lanes="2")
        drawing.way([(at, y) for y in BLOCKS_M], highway="residential", lanes="2")
    for corner, street in (((0, 0), (low, low)), ((1000, 1000), (high, high))):
        drawing.way([corner, street], highway="residential", lanes="2")
    for x in BLOCKS_M[:-1]:
        for y in BLOCKS_M[:-1]:
            for west, south in ((x + 12, y + 12), (x + 58, y + 12), (x + 12, y + 58), (x + 58, y + 58)):
                corners = [(west, south), (west + 40, south), (west + 40, south + 40), (west, south + 40)]
                drawing.ring(corners, building="house", height="9")
    (folder / "village.osm").write_text(drawing.text())
    return import_osm(folder / "village.osm", folder / "out", vehicles=120, duration_s=5.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_each_decision_of_a_run_in_a_village_follows_from_one_inbox(monkeypatch, village, name):
    settings, least = RUNS[name]
    assert_decided_alone(monkeypatch, village, settings, least)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    return import_osm(HERSFELD, tmp_path_factory.mktemp("import") / "town", duration_s=5.0)


@pytest.mark.slow
@pytest.mark.skipif(not HERSFELD.is_file(), reason="the Bad Hersfeld extract is not beside this checkout")
@pytest.mark.parametrize("name", [name for name in RUNS if "rare" not in name])
def test_each_decision_of_a_run_in_a_real_town_follows_from_one_inbox(monkeypatch, town, name):
    settings, least = RUNS[name]
    # It is spread over 1.5 km: nearly every vehicle is connected, with more power.
    more = ["stations.count=200", "lidars.count=20", "radio.tx_power_dbm=13", "run.duration_s=1.2"]
    fewer = {kind: number if number >= 100 else 5 for kind, number in least.items()}
    assert_decided_alone(monkeypatch, town, [*settings, *more], fewer)


def assert_decided_alone(monkeypatch, scenario, settings, least):
    """Run a scenario with few lidars, and compare its decisions with those of each station alone."""
    witness = watched(monkeypatch)
    # A later value of a key replaces an earlier one.
    chosen = dict(text.split("=", 1) for text in [*SETTINGS, *settings])
    v2xsim.run(v2xsim.load(str(scenario), [f"{key}={value}" for key, value in chosen.items()]))
    assert not witness.differences, witness.differences[:3]
    assert {kind: witness.compared[kind] for kind, number in least.items() if witness.compared[kind] < number} == {}
