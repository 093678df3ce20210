"""What a run says of itself: scenario, seed, users' files and versions."""

import hashlib
import importlib.metadata
import platform

import numpy as np

import v2xsim
from v2xsim.results.manifest import FORMAT, manifest_of
from v2xsim.version import __version__

PLUGIN = '''
from dataclasses import dataclass

from v2xsim.comms.relay.rule import RelayRule
from v2xsim.parts import part


@part("first_station")
@dataclass(frozen=True)
class FirstStation(RelayRule):
    """Takes the first station."""

    def score(self, view):
        """Return one number for each candidate."""
        return view.weaker_delivery
'''


def test_the_manifest_says_format_seed_and_that_the_run_is_complete():
    manifest = manifest_of(v2xsim.load("demo", [], 42), {})
    assert (manifest["format"], manifest["seed"], manifest["complete"]) == (4, 42, True)
    assert FORMAT == 4


def test_the_manifest_holds_the_whole_scenario_as_plain_data():
    scenario = v2xsim.load("demo", ["run.duration_s=3"])
    assert manifest_of(scenario, {})["scenario"] == scenario.model_dump(mode="json")


def test_the_manifest_names_models():
    assert manifest_of(v2xsim.load("demo"), {"motion": "none"})["models"] == {"motion": "none"}


def test_versions_are_those_installed():
    versions = manifest_of(v2xsim.load("demo"), {})["versions"]
    assert versions["numpy"] == np.__version__
    assert versions["v2xsim"] == __version__
    assert versions["python"] == platform.python_version()


def test_versions_of_all_that_a_run_computes_with_are_there():
    versions = manifest_of(v2xsim.load("demo"), {})["versions"]
    assert set(versions) == {"v2xsim", "numpy", "numba", "simpy", "scipy", "pyarrow", "libsumo", "torch", "python"}


def test_a_library_that_is_missing_is_said_to_be(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("v2xsim.results.manifest.version", missing)
    versions = manifest_of(v2xsim.load("demo"), {})["versions"]
    assert versions["torch"] == "not installed"
    assert versions["v2xsim"] == __version__


def test_files_with_parts_are_named_with_their_digest(tmp_path):
    (tmp_path / "own.py").write_text(PLUGIN)
    scenario = v2xsim.load("demo", [f"plugins=[{tmp_path / 'own.py'}]", "cooperation.relay=first_station"])
    (plugin,) = manifest_of(scenario, {})["plugins"]
    assert plugin == {
        "path": str(tmp_path / "own.py"), "sha256": hashlib.sha256(PLUGIN.encode()).hexdigest(),
    }  # fmt: skip


def test_a_run_of_built_in_parts_names_no_file():
    assert manifest_of(v2xsim.load("demo"), {})["plugins"] == []
