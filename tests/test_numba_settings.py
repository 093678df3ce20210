"""A file of the working folder does not decide where numba keeps its pickles, nor anything else of it."""

import os
import subprocess
import sys

import pytest

EVIL = "cache_dir: {folder}/evil\ncache_locator_classes: evil_module.Locator\nchrome_trace: {folder}/trace.json\ndebug_cache: 1\n"
COMPILES = "from v2xsim.spatial import boxes; import numba; print(repr(numba.config.CACHE_DIR), repr(numba.config.CACHE_LOCATOR_CLASSES))"


@pytest.fixture
def folder(tmp_path):
    """A working folder with a file that leads numba astray."""
    (tmp_path / ".numba_config.yaml").write_text(EVIL.format(folder=tmp_path))
    (tmp_path / "evil").mkdir()
    return tmp_path


def unprotected():
    """Return an environment in which v2xsim has not been imported yet."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CACHE")}


def run(folder, code, **env):
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=unprotected() | env,
    )


@pytest.mark.parametrize(
    "before",
    ["import v2xsim", "import numba, v2xsim", "import os; os.chdir('/'); import v2xsim; os.chdir({folder!r})"],
    ids=["v2xsim first", "numba first", "folder changed later"],
)
def test_kernels_are_kept_where_numba_keeps_them_usually(folder, before):
    done = run(folder, before.format(folder=str(folder)) + "; " + COMPILES)
    assert (done.returncode, done.stdout) == (0, "'' ''\n"), done.stderr
    assert list((folder / "evil").iterdir()) == []


def test_a_file_that_is_there_from_the_beginning_has_no_effect_at_all(folder):
    done = run(folder, "import v2xsim; import numba; print(numba.config.DEBUG_CACHE)")
    assert done.stdout == "0\n", done.stderr
    assert not (folder / "trace.json").exists()


def test_a_file_that_is_no_yaml_is_no_trouble(tmp_path):
    (tmp_path / ".numba_config.yaml").write_text("- [")
    done = run(tmp_path, "import v2xsim; import numba; print('fine')")
    assert done.stdout == "fine\n", done.stderr


def test_the_users_own_environment_counts(tmp_path):
    done = run(tmp_path, "import v2xsim, numba; print(numba.config.CACHE_DIR)", NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    assert done.stdout == f"{tmp_path / 'mine'}\n"


def test_without_such_a_file_importing_v2xsim_does_not_load_numba(tmp_path):
    done = run(tmp_path, "import sys, v2xsim; print('numba' in sys.modules)")
    assert done.stdout == "False\n"


KERNEL = "from numba import njit\n\n\n@njit(cache=True)\ndef double(x):\n    return 2 * x\n"
POISON = """
import pickle, sys
from pathlib import Path

class Evil:
    def __reduce__(self):
        return (Path.touch, (Path(sys.argv[1]),))

for index in Path(sys.argv[2]).rglob("*.nbi"):
    index.write_bytes(pickle.dumps(Evil()))
"""


@pytest.mark.parametrize("protected", [False, True])
def test_a_pickle_that_a_downloaded_file_points_to_is_not_loaded(tmp_path, protected):
    """Without the measure, the pickle runs: this shows that the attack is one."""
    study, code = tmp_path / "study", tmp_path / "code"
    study.mkdir()
    code.mkdir()
    (code / "kernels.py").write_text(KERNEL)
    (study / ".numba_config.yaml").write_text(f"cache_dir: {study}/cache\n")
    path = os.pathsep.join([str(code), os.environ["PYTHONPATH"]])
    # The author of the study has compiled the kernel and put a pickle of another kind into its place.
    compiled = run(study, "import kernels; kernels.double(1)", PYTHONPATH=path)
    assert compiled.returncode == 0, compiled.stderr
    subprocess.run([sys.executable, "-c", POISON, str(study / "ran"), str(study / "cache")], check=True)
    first = "import v2xsim; " if protected else ""
    loaded = run(study, first + "import kernels; kernels.double(1)", PYTHONPATH=path)
    assert loaded.returncode == 0, loaded.stderr
    assert (study / "ran").exists() != protected
