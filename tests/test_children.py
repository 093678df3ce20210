"""Child processes: what they import, and that they end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import v2xsim
from v2xsim.children import Child, environment, python

PARENT = """
import subprocess, sys, time
from v2xsim.children import Child, environment
child = Child(["sh", "-c", "sleep 300 & echo $$ $!; wait"], subprocess.PIPE, environment())
print(child.process.stdout.readline().decode(), flush=True)
time.sleep(300)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids, within_s=10.0):
    until = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_and_its_children_end_with_the_process_that_started_them(number):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert all(map(alive, pids))
    parent.send_signal(number)
    parent.communicate()
    assert gone(pids)


def test_what_a_child_leaves_behind_ends_with_it():
    with Child(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], subprocess.PIPE, environment()) as child:
        pid = int(child.process.communicate(timeout=30)[0])
    assert gone([pid])


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -SEGV $$", 139)])
def test_the_exit_code_of_a_child_is_as_a_shell_would_say(command, code):
    with Child(["sh", "-c", command], subprocess.DEVNULL, environment()) as child:
        assert child.process.wait(30) == code


def test_a_program_that_is_not_there_ends_as_a_shell_would_say_with_its_name():
    supervisor = Path(v2xsim.__file__).with_name("supervisor.py")
    found = subprocess.run(
        [sys.executable, "-I", "-S", supervisor, "no-such-program"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stderr) == (127, "no-such-program: No such file or directory\n")


def test_a_child_has_an_empty_standard_input():
    with Child(["cat"], subprocess.PIPE, environment()) as child:
        assert child.process.communicate(timeout=30)[0] == b""


def test_a_module_of_the_working_folder_is_not_imported(tmp_path):
    (tmp_path / "simpy.py").write_text("raise SystemExit('the file of the working folder')")
    found = subprocess.run(
        python("-c", "import simpy, sys; print(simpy.__file__)"), cwd=tmp_path, env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert str(tmp_path) not in found.stdout


def test_a_child_imports_the_same_v2xsim_wherever_it_starts(tmp_path):
    found = subprocess.run(
        python("-c", "import v2xsim; print(v2xsim.__file__)"), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert os.path.samefile(found.stdout.strip(), v2xsim.__file__)


def test_an_empty_entry_of_the_import_path_is_not_handed_on(monkeypatch):
    """It would stand for the working folder."""
    monkeypatch.setenv("PYTHONPATH", f"/one{os.pathsep}{os.pathsep}/two{os.pathsep}")
    assert environment()["PYTHONPATH"].split(os.pathsep)[1:] == ["/one", "/two"]
