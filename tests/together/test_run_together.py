"""Runs of one world together give what each gives alone, and nobody writes into what they share."""

import dataclasses
import hashlib
import threading
from collections import Counter

import numpy as np
import pytest

import v2xsim
from tests.views.written import same_bytes
from v2xsim import together
from v2xsim.engine.lockstep import Newest
from v2xsim.run_arguments import SteppingError
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.same_world import FREE_KEYS, with_own_files, world_of
from v2xsim.together import ends_of_runs, run_together

SHORT = ["run.duration_s=0.4", "lidars.model=beam16", "record.clouds_every_s=0.2"]
RULES = ["hybrid", "none", "height"]
# Between them, these runs change every key that may differ; each changes many, to keep the test short.
VARIANTS = [
    {
        "name": "other_radio", "description": "other", "radio.access": "ieee80211p", "radio.bandwidth_mhz": 20, "radio.noise_figure_db": 7,
        "radio.sensitivity_dbm": -85, "radio.busy_threshold_dbm": -85, "radio.mcs": 4, "radio.awareness_mcs": 3, "radio.mtu_bytes": 500,
        "radio.retries": 2, "radio.dcc": "reactive", "radio.queue_packets": 5, "radio.processing_spread_ms": 5,
        "record.clouds_every_s": 0.3, "record.cloud_egos": 2, "record.prr_range_m": 80, "record.packet_share": 0.5,
        "record.link_ticks": 2, "record.state_ticks": 2, "record.seen_ticks": 3, "record.evaluation_range_m": 40,
    },
    {
        "cooperation.relay": "height", "cooperation.foresight": "tracks", "cooperation.overhearing": False, "cooperation.awareness_rule": "cam", "cooperation.matching": "nearest", "cooperation.request_coding": "blocks",
        "cooperation.max_helpers": 1, "cooperation.deadline_ms": 160, "cooperation.max_age_ms": 150, "cooperation.budget_bytes": 900,
        "cooperation.detect_ms": 40, "cooperation.min_delivery": 0.9, "cooperation.hidden_speed_mps": 5,
        "radio.slot_ms": 1, "radio.selection_window_ms": 30, "radio.retries": 1, "radio.ack_timeout_ms": 2,
    },
    {"cooperation.fusion": "cpm", "cooperation.redundancy": "distance", "cooperation.retelling": "unheard", "cooperation.report_interval_ms": 300, "cooperation.matrix.interval_ms": 500, "record.states": False},
    {"cooperation.fusion": "late", "cooperation.boxes_by": "body", "cooperation.transport": "synchronous", "cooperation.shortlist": 2},
    {"cooperation.fusion": "matrices", "cooperation.relay": "height"},
    # This one looks at the next tick before the others are there.
    {"cooperation.bound": "clairvoyant", "cooperation.deadline_ms": 160},
]  # fmt: skip


def demos(*changes):
    base = v2xsim.load("demo", SHORT)
    return [base.with_(change) for change in changes]


def check_as_alone(scenarios, folder, threads=1):
    """Check that scenarios together give the bytes that each gives alone."""
    for number, results in enumerate(run_together(scenarios, threads=threads)):
        v2xsim.run(scenarios[number], threads=threads).write(folder / f"alone-{number}")
        same_bytes(results, folder / f"together-{number}", folder / f"alone-{number}")
    assert number == len(scenarios) - 1


def test_every_free_key_leaves_the_world_as_it_is(tmp_path):
    scenarios = demos({}, *VARIANTS[:-1], VARIANTS[-1] | {"plugins": [str(own_file(tmp_path))]})
    check_as_alone(scenarios, tmp_path)
    assert {key for variant in VARIANTS for key in variant} | {"plugins"} == FREE_KEYS
    # Each of these runs has results of its own, so that the others do not agree because nothing happens.
    metrics = {(tmp_path / f"alone-{number}" / "metrics.parquet").read_bytes() for number in range(6)}
    assert len(metrics) == 6


def test_runs_with_sumo_share_one_simulation_of_the_traffic(tmp_path):
    base = v2xsim.load("urban_grid", ["run.begin_s=10", "run.duration_s=0.3", "lidars.model=beam16"])
    check_as_alone([base.with_({"cooperation.relay": rule}) for rule in RULES[:2]], tmp_path, threads=2)


def test_results_go_into_folders_as_those_of_one_run(tmp_path):
    scenarios = demos(*({"cooperation.relay": rule} for rule in RULES[:2]))
    results = run_together(scenarios, out=[tmp_path / "a", tmp_path / "b"])
    alone = v2xsim.run(scenarios[1])
    assert v2xsim.open(tmp_path / "b").tables["relays"].equals(results[1].tables["relays"])
    same_bytes(alone, tmp_path / "alone", tmp_path / "b")


def test_without_tables_the_metrics_are_those_of_one_run():
    scenarios = demos({}, {"cooperation.relay": "none"})
    one, two = run_together(scenarios, tables=False)
    # As text, since NaN is not equal to itself.
    assert repr(dict(two.metrics)) == repr(dict(v2xsim.run(scenarios[1], tables=False).metrics))
    assert list(one.tables) == ["metrics"]


def arrays_in(value, path="", seen=None):
    """Yield the arrays in a record, and in the records in it, each with its path."""
    seen = set() if seen is None else seen
    if isinstance(value, np.ndarray):
        yield path, value
    elif id(value) in seen:
        return
    elif isinstance(value, list | tuple):
        seen.add(id(value))
        for number, item in enumerate(value):
            yield from arrays_in(item, f"{path}.{number}", seen)
    elif dataclasses.is_dataclass(value):
        seen.add(id(value))
        # With what was computed since and is kept in the record.
        for name, item in sorted(vars(value).items()):
            if name == "sensed":
                item = item.result()
            yield from arrays_in(item, f"{path}.{name}", seen)


def test_nobody_writes_into_the_records_that_the_runs_share(monkeypatch):
    digests, shared, asked, at = {}, {}, Counter(), Newest.at

    def check(key, record):
        for path, array in arrays_in(record):
            digest = hashlib.blake2b(np.ascontiguousarray(array).tobytes()).hexdigest()
            assert digests.setdefault((key, path), digest) == digest, (key, path)

    def watched(self, time_us, compute):
        record = at(self, time_us, compute)
        key = self, type(record).__name__, time_us
        asked[key] += 1
        shared[key] = record
        check(key, record)
        return record

    monkeypatch.setattr(Newest, "at", watched)
    run_together(demos(*({"cooperation.relay": rule} for rule in RULES), *VARIANTS[:3]))
    for key, record in shared.items():
        check(key, record)
    # All six runs have read both records of each of four ticks; the others are of rehearsals.
    assert sum(count == 6 for count in asked.values()) == 8
    assert {"returns", "detections", "field", "boxes"} <= {name for _, path in digests for name in path.split(".")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radio.tx_power_dbm": 20}, r"radio.tx_power_dbm: must be the same .* got 14.0 in run 0 and 20.0 in run 1"),
        ({"run.seed": 2}, r"run.seed: must be the same .* got 1 in run 0 and 2 in run 1"),
        ({"detector": {"model": "visibility", "false_per_frame": 3}}, r"detector.false_per_frame: must be the same"),
        ({"radio.propagation.fading": "nakagami"}, r"radio.propagation.fading.*: must be the same"),
        ({"cooperation.matrix.cell_m": 4}, r"cooperation.matrix.cell_m: must be the same"),
        ({"errors.gnss_sigma_m": 1}, r"errors.gnss_sigma_m: must be the same"),
    ],
)
def test_runs_of_different_worlds_are_refused(change, message):
    with pytest.raises(ScenarioError, match=message):
        run_together(demos({}, change))


def test_every_key_that_is_not_listed_must_agree():
    base = v2xsim.load("demo", SHORT)
    assert world_of(base) == world_of(base.with_({"cooperation.relay": "none", "radio.retries": 3}))
    assert world_of(base) != world_of(base.with_({"run.step_s": 0.2}))


def own_file(folder, head="", body="view.weaker_delivery"):
    """Write a file with a relay rule that prefers other candidates with each call, and return its path."""
    path = folder / "mine.py"
    path.write_text(
        f"{head}from dataclasses import dataclass\nfrom v2xsim.comms.relay.rule import RelayRule\nfrom v2xsim.parts import part\n\n\nCALLS = []\n\n\n"
        '@part(\'mine_alone\')\n@dataclass(frozen=True)\nclass Mine(RelayRule):\n    """Takes any."""\n\n'
        '    def score(self, view):\n        """Return one number for each candidate."""\n        CALLS.append(1)\n'
        f"        return {body}\n"
    )
    return path


def test_runs_with_parts_of_a_file_share_none_of_its_variables(tmp_path):
    path = own_file(tmp_path, body="view.weaker_delivery - (0.0 if len(CALLS) < 8 else float('inf'))")
    later = ["run.begin_s=6", "run.duration_s=0.7", "lidars.model=beam16"]
    own = v2xsim.load("demo", [*later, f"plugins=[{path}]", "cooperation.relay=mine_alone"])
    scenarios = [own, own.with_({"radio.retries": 2})]
    for scenario, results in zip(scenarios, run_together(scenarios, tables=False), strict=True):
        alone = v2xsim.run(with_own_files(scenario), tables=False)
        assert repr(dict(results.metrics)) == repr(dict(alone.metrics))


def test_a_file_that_has_changed_since_is_refused(tmp_path):
    path = own_file(tmp_path)
    own = v2xsim.load("demo", [*SHORT, f"plugins=[{path}]", "cooperation.relay=mine_alone"])
    own_file(tmp_path, body="view.weaker_snr_db")
    with pytest.raises(ScenarioError, match=r"mine.py: has changed since the scenario was read"):
        run_together([own, own])


@pytest.mark.parametrize(
    "head", ["import random\n", "from numpy import random as chance\n", "import torch\ntorch.manual_seed(1)\n"]
)
def test_a_file_that_uses_shared_random_numbers_runs_alone(tmp_path, head):
    own = v2xsim.load("demo", [*SHORT, f"plugins=[{own_file(tmp_path, head)}]", "cooperation.relay=mine_alone"])
    assert world_of(own) is None
    with pytest.raises(
        ScenarioError, match=r"run 0: must run alone.* the relay rule 'mine_alone' of .*mine.py is in a file that uses"
    ):
        run_together([own, own])


def test_a_run_whose_world_has_a_part_of_a_file_runs_alone(tmp_path):
    (tmp_path / "seer.py").write_text(
        "from dataclasses import dataclass\nfrom v2xsim.parts import part\nfrom v2xsim.perception.detection.visibility_model import Visibility\n\n\n"
        '@part(\'seer\')\n@dataclass(frozen=True)\nclass Seer(Visibility):\n    """Sees."""\n\n'
        '    def detect(self, view):\n        """Return detections."""\n        return super().detect(view)\n'
    )
    own = v2xsim.load("demo", [*SHORT, f"plugins=[{tmp_path / 'seer.py'}]", "detector=seer"])
    assert world_of(own) is None
    with pytest.raises(ScenarioError, match=r"detector: the detector 'seer' of .*seer.py is part of the world"):
        run_together([own, own])


@pytest.mark.parametrize("out", ["folder", ["one"]])
def test_there_is_a_folder_for_each_run(out):
    with pytest.raises(SteppingError, match="one folder for each of 2 scenarios"):
        run_together(demos({}, {}), out=out)


def failing_in(monkeypatch, name, failure):
    """Let the run of a name raise an exception at its third tick."""
    advance = together._Member.advance

    def failing(self):
        if self.scenario.name == name and self.time_s > 0.15:
            with self._running():
                raise failure
        return advance(self)

    monkeypatch.setattr(together._Member, "advance", failing)


def test_an_error_says_in_which_run_it_was(monkeypatch):
    failing_in(monkeypatch, "b", ValueError("mine"))
    with pytest.raises(ValueError, match="mine") as caught:
        run_together(demos({"name": "a"}, {"name": "b"}))
    assert caught.value.__notes__ == ["in run 1 of 2, counted from 0 (name=b)"]


def test_a_run_that_fails_does_not_change_the_others(monkeypatch, tmp_path):
    scenarios = demos({"name": "a"}, {"name": "b", "cooperation.relay": "none"})
    # The first run computes the world, so the second takes over.
    failing_in(monkeypatch, "a", ValueError("mine"))
    first, second = ends_of_runs(scenarios, threads=2)
    assert str(first.failure) == "mine"
    v2xsim.run(scenarios[1]).write(tmp_path / "alone")
    same_bytes(second.results, tmp_path / "together", tmp_path / "alone")


def test_ctrl_c_leaves_no_thread_and_no_folder(monkeypatch, tmp_path):
    before = threading.active_count()
    failing_in(monkeypatch, "b", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_together(demos({"name": "a"}, {"name": "b"}), out=[tmp_path / "a", tmp_path / "b"], threads=3)
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_progress_is_the_mean_of_all_runs():
    told = []
    run_together(demos({}, {}), progress=lambda *progress: told.append(progress))
    done = [progress for progress in told if progress[2] == "simulating"]
    assert [one[0] for one in done] == sorted(one[0] for one in done)
    assert done[0] == pytest.approx((0.05, 0.4, "simulating"))
    assert done[-1][0] == pytest.approx(0.4)


def test_of_no_scenario_there_is_no_result():
    assert run_together([]) == []
