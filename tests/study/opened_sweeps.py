"""Folders of sweeps that a test opens, begins and opens again."""

from tests.study.small_sweeps import finish
from v2xsim.study.store import opened


def reopened(tmp_path, plan, resume=True):
    with opened(tmp_path / "s", plan, resume) as store:
        return store


def begun(tmp_path, plan, finished=1):
    with opened(tmp_path / "s", plan, resume=False) as store:
        for point in plan.points[:finished]:
            finish(store, point, 0.5)
