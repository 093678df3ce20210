"""A study records which code and which files it ran with, and whether git shows that its plan is older than its first run."""

import json
import shutil
import subprocess

import pytest

from tests.study.made_studies import TEXT, found, made, planned, usual, written
from v2xsim.study import git_state
from v2xsim.study.folders import StudyError
from v2xsim.study.git_state import InGit, code_state, file_state
from v2xsim.study.study_folder import begin, provenance_in
from v2xsim.study.study_provenance import age_of_plan, provenance_lines
from v2xsim.viz.study.study_report import write_report

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder, *arguments, date="2020-02-03T04:05:06Z"):
    own = {
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "PATH": "/usr/bin:/bin:/usr/local/bin",
    }
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *names, *arguments], cwd=folder, env=own, check=True, capture_output=True)


def repository(folder):
    """Make a repository with a committed study file, and return the file."""
    path = written(folder)
    git(folder, "init")
    git(folder, "add", "plan.yaml")
    git(folder, "commit", "-m", "Plan the study")
    return path


def begun(path, folder):
    begin(folder, path, "test", planned(path, "test")[1])
    return provenance_in(folder)


@needs_git
def test_a_plan_that_was_committed_before_is_older_than_the_first_run(tmp_path):
    known = begun(repository(tmp_path / "work"), tmp_path / "runs")
    (call,) = known.calls
    assert (call.files[0].path, call.files[0].state, call.files[0].sha256) == (
        "plan.yaml",
        InGit.COMMITTED,
        known.sha256,
    )
    assert call.families == ("town",)
    assert known.age_of_plan.startswith(
        f"the study file was committed on 2020-02-03T04:05:06Z ({call.files[0].commit[:12]}), "
    )
    assert known.age_of_plan.endswith(" days before the first run")


@needs_git
def test_a_commit_after_the_first_run_does_not_count(tmp_path):
    path = repository(tmp_path / "work")
    git(path.parent, "commit", "--amend", "-m", "Later", date="2090-01-01T00:00:00Z")
    assert "is later than the first run" in begun(path, tmp_path / "runs").age_of_plan


@needs_git
@pytest.mark.parametrize("name", ["plan.yaml", "new.yaml"])
def test_a_plan_that_differs_from_its_commit_is_not_shown_to_be_older(tmp_path, name):
    path = repository(tmp_path / "work").with_name(name)
    path.write_text(TEXT + "# changed\n")
    known = begun(path, tmp_path / "runs")
    assert known.calls[0].files[0].state is (InGit.CHANGED if name == "plan.yaml" else InGit.UNTRACKED)
    assert known.age_of_plan.endswith("so git does not show that it is older than the run")
    # A commit that is made later changes nothing.
    git(path.parent, "add", name)
    git(path.parent, "commit", "-m", "Too late")
    begin(tmp_path / "runs", path, "test", planned(path, "test")[1])
    assert provenance_in(tmp_path / "runs").age_of_plan == known.age_of_plan


def test_outside_git_nothing_is_known_and_nothing_fails(tmp_path, monkeypatch):
    known = begun(written(tmp_path / "work"), tmp_path / "runs")
    assert known.age_of_plan == "the study file was not in git, so nothing shows when it was made"
    monkeypatch.setenv("PATH", "")
    assert file_state(tmp_path / "work" / "plan.yaml").state is InGit.UNKNOWN
    assert code_state().commit == ""


@needs_git
def test_the_commit_of_a_checkout_and_its_changes_are_known(tmp_path, monkeypatch):
    (tmp_path / "v2xsim").mkdir()
    (tmp_path / "v2xsim" / "version.py").write_text("")
    monkeypatch.setattr(git_state, "_PACKAGE", tmp_path / "v2xsim")
    git(tmp_path, "init")
    # A copy that is installed into a repository of somebody else is not tracked by it.
    assert code_state().commit == ""
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "Begin")
    assert (len(code_state().commit), code_state().changed) == (40, 0)
    (tmp_path / "v2xsim" / "new_rule.py").write_text("")
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "summary.md").write_text("")
    assert code_state().changed == 1


def test_only_calls_that_run_points_are_recorded(tmp_path):
    path = written(tmp_path)
    first = begun(path, tmp_path / "runs")
    begin(tmp_path / "runs", path, "test")
    assert provenance_in(tmp_path / "runs") == first
    again = begun(path, tmp_path / "runs")
    assert (again.begun, len(again.calls)) == (first.begun, 2)


def test_a_study_of_two_versions_says_so(tmp_path):
    path, folder = written(tmp_path), tmp_path / "runs"
    begun(path, folder)
    begun(path, folder)
    manifest = json.loads((folder / "study.json").read_text())
    manifest["calls"][1]["commit"] = "f" * 40
    (folder / "study.json").write_text(json.dumps(manifest))
    known = provenance_in(folder)
    text = "\n".join(provenance_lines("x", known.sha256, known.begun, known.calls))
    assert "commit ffffffffffff: points of one study ran with different code." in text.replace(" with changes", "")
    assert "| `" in text


def test_an_entry_of_a_damaged_study_is_refused(tmp_path):
    path, folder = written(tmp_path), tmp_path / "runs"
    begun(path, folder)
    manifest = json.loads((folder / "study.json").read_text())
    for calls in ([{}], [3], 7, [manifest["calls"][0] | {"files": [{"path": 1}]}]):
        (folder / "study.json").write_text(json.dumps(manifest | {"calls": calls}))
        with pytest.raises(StudyError, match="is damaged: it is not the manifest of a study"):
            provenance_in(folder)


def test_a_study_of_an_older_version_has_no_calls():
    assert age_of_plan((), "0" * 64) == "no call recorded what git knew of the study file"


def test_all_files_of_a_report_but_its_provenance_are_the_same_when_the_study_is_run_again(tmp_path):
    folders = [made(tmp_path / name, usual) for name in ("one", "two")]
    for folder, time in zip(folders, ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"), strict=True):
        manifest = json.loads((folder / "study.json").read_text()) | {"begun": time}
        (folder / "study.json").write_text(json.dumps(manifest))
        write_report(found(folder), provenance_in(folder), folder / "report")
    files = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("report/**/*") if path.is_file()}
        for folder in folders
    ]
    assert files[0].keys() == files[1].keys()
    assert [name for name in files[0] if files[0][name] != files[1][name]] == ["report/provenance.md"]
    listed = {f"report/{line.split('  ')[1]}" for line in files[0]["report/SHA256SUMS"].decode().splitlines()}
    assert set(files[0]) - listed == {"report/provenance.md", "report/SHA256SUMS", "report/.v2xsim-report"}
