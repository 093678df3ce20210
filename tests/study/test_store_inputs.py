"""Input files of a sweep that change while it waits or runs: named, and the sweep refused."""

import os

import pytest

from tests.study.opened_sweeps import begun, reopened
from tests.study.small_sweeps import finish
from v2xsim.study.continued import StoreError
from v2xsim.study.plan import plan_of
from v2xsim.study.store import as_json, manifest_of, opened

SCENE = """
run: {duration_s: 1.0}
world: {buildings: houses.poly.xml}
traffic: {sumocfg: town.sumocfg}
stations: {penetration: 1.0}
"""


FILES = {
    "scene.yaml": SCENE,
    "houses.poly.xml": "<additional></additional>",
    "town.sumocfg": "<configuration><net-file value='town.net.xml'/><route-files value='town.rou.xml, more.rou.xml'/>"
    "<additional-files value='town.add.xml'/><tripinfo-output value='trips.xml'/></configuration>",
    "town.net.xml": "<net/>",
    "town.rou.xml": "<routes/>",
    "more.rou.xml": "<routes/>",
    "town.add.xml": "<additional><include href='inner.add.xml'/><inductionLoop id='d' file='loop.xml'/></additional>",
    "inner.add.xml": "<additional><rerouter id='r' file='rerouter.xml'/></additional>",
    "rerouter.xml": "<rerouter/>",
    # Earlier runs of SUMO itself wrote these.
    "trips.xml": "<tripinfos/>",
    "loop.xml": "<detector/>",
}


OUTPUTS = {"trips.xml", "loop.xml"}


@pytest.fixture
def scene(tmp_path):
    """The plan of a sweep over a SUMO scenario, and the function that plans it again."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return lambda: plan_of({"name": "s", "scenario": str(tmp_path / "scene.yaml"), "grid": {"radio.mcs": [0, 1]}})


@pytest.mark.parametrize("finished", [0, 1])
@pytest.mark.parametrize("name", sorted(set(FILES) - OUTPUTS))
def test_a_file_that_changed_since_the_sweep_began_is_named_and_the_sweep_refused(tmp_path, scene, name, finished):
    begun(tmp_path, scene(), finished)
    text = FILES[name].replace("</", "<!-- changed --></", 1) if "</" in FILES[name] else FILES[name] + "\n"
    (tmp_path / name).write_text(text)
    with pytest.raises(
        StoreError, match=f"{name}: has changed since the sweep in .* began .sha256 .*put the file back"
    ):
        reopened(tmp_path, scene())


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_what_sumo_itself_wrote_is_no_input(tmp_path, scene, name):
    begun(tmp_path, scene())
    (tmp_path / name).write_text("<other/>")
    assert len(reopened(tmp_path, scene()).waiting()) == 1


def test_several_changed_files_are_all_named(tmp_path, scene):
    begun(tmp_path, scene())
    for name in ("town.net.xml", "town.rou.xml"):
        (tmp_path / name).write_text(FILES[name] + "\n")
    with pytest.raises(
        StoreError, match=r"town\.net\.xml: has changed.*and so have .*town\.rou\.xml .*put the files back"
    ):
        reopened(tmp_path, scene())


def test_a_file_with_another_date_only_has_not_changed(tmp_path, scene):
    begun(tmp_path, scene())
    os.utime(tmp_path / "town.net.xml", (1, 1))
    assert len(reopened(tmp_path, scene()).waiting()) == 1


def test_without_resume_a_sweep_of_which_no_point_is_finished_begins_again_with_what_changed(tmp_path, scene):
    begun(tmp_path, scene(), finished=0)
    (tmp_path / "town.net.xml").write_text("<net></net>")
    assert len(reopened(tmp_path, scene(), resume=False).waiting()) == 2


def test_a_sweep_that_a_version_began_which_noted_no_files_goes_on(tmp_path, scene):
    begun(tmp_path, scene())
    said = manifest_of(tmp_path / "s")
    del said["inputs"]
    (tmp_path / "s" / "sweep.json").write_bytes(as_json(said))
    assert len(reopened(tmp_path, scene()).waiting()) == 1


def test_a_file_that_changes_while_the_sweep_runs_ends_it(tmp_path, scene):
    plan = scene()
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.job(plan.points[0], 0)
        (tmp_path / "town.net.xml").write_text("<net></net>")
        with pytest.raises(StoreError, match=r"town\.net\.xml: must not change while a sweep runs"):
            store.job(plan.points[1], 0)
        # The point may have read either.
        with pytest.raises(StoreError, match="must not change"):
            finish(store, plan.points[0], 0.5)
        assert list((store.folder / "points").iterdir()) == []


def test_a_users_file_that_changed_since_is_named_with_both_digests(tmp_path, plan, monkeypatch):
    begun(tmp_path, plan)
    said = manifest_of(tmp_path / "s")
    said["plugins"] = {"/own.py": "a" * 64, "/same.py": "c" * 64}
    said["points"].append({"setting": 0, "seed": 9, "key": "gone"})
    (tmp_path / "s" / "sweep.json").write_bytes(as_json(said))
    digests = {"/same.py": "c" * 64, "/new.py": "d" * 64, "/own.py": "b" * 64}
    monkeypatch.setattr(type(plan), "plugins", digests)
    with pytest.raises(StoreError, match=r"/own\.py: has changed .*sha256 a{12}, now b{12}\), so its points"):
        reopened(tmp_path, plan)
