"""The demo for 0.6 s with a small lidar: as a scenario, as a finished run, and as the instants of a stepped one."""

import pytest

import v2xsim

SHORT = ["run.duration_s=0.6", "lidars.model=beam16"]


@pytest.fixture(scope="session")
def demo():
    return v2xsim.load("demo", SHORT)


@pytest.fixture(scope="session")
def ran(demo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ran")
    v2xsim.run(demo, out=folder)
    return folder


@pytest.fixture(scope="session")
def instants(demo):
    with v2xsim.Simulation(demo) as sim:
        return list(sim)
