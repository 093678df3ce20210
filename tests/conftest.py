"""Puts the repository's root on the import path, and checks the annotations of v2xsim while the tests run.

Tests run from a bare tree as well as from an install. Shapes, dtypes and types are checked by `shapes_hook`, in the tests' own
process: what runs in another one (the command line, workers of a sweep) and users' plug-in files are not checked.
V2XSIM_TEST_SHAPES=0 in the environment switches the checks off, for timings.
"""

import os
import random
import sys
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
# For processes that tests start, in whatever folder.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))

# The first example may compile a kernel, and a suite that passes must pass again: no deadline, the same examples.
settings.register_profile("v2xsim", deadline=None, derandomize=True)
settings.load_profile("v2xsim")

if os.environ.get("V2XSIM_TEST_SHAPES", "1") != "0":
    from tests import shapes_hook

    shapes_hook.install()


def with_room_on_the_stack(function, **arguments):
    """Call a function after a large frame.

    CPython takes memory for frames in chunks of 16 KiB, and gives a chunk back as soon as it is empty. Where a chunk ends just
    above a loop, each call in the loop maps and unmaps memory, which can double the time of a test. After a frame of more than
    512 KiB the chunk is 1 MiB, whose rest is enough for all that a test calls.
    """
    return function(**arguments)


with_room_on_the_stack.__code__ = with_room_on_the_stack.__code__.replace(co_stacksize=70_000)


def pytest_collection_modifyitems(items):
    """Run the files with slow tests first: where several processes share the files, none waits for a long one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the tests as pytest, or a worker of pytest-xdist, does, in a place where calls are not slow by chance."""
    if session.config.pluginmanager.has_plugin("dsession"):
        return None  # The tests run in workers, this process only hands them out.
    loops = [hook.function for hook in session.config.hook.pytest_runtestloop.get_hookimpls() if not hook.wrapper]
    return with_room_on_the_stack(loops[loops.index(pytest_runtestloop) - 1], session=session)


@pytest.fixture(autouse=True)
def same_items_checked():
    """Of a list, beartype checks one item that it draws: the same one in each run of a test."""
    random.seed(0)


@pytest.fixture(autouse=True)
def wrong_types_where_a_test_passes_them(request):
    """A test that hands over what an annotation forbids sees the function's own refusal."""
    wrong = request.node.get_closest_marker("passes_wrong_types") is not None
    if wrong:
        jaxtyping.config.update("jaxtyping_disable", True)
    yield
    if wrong:
        jaxtyping.config.update("jaxtyping_disable", False)
