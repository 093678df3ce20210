"""The plan of a test is fixed before its first run: the folder records the study file, and refuses another one."""

import hashlib
import json

import pytest

from tests.study.made_studies import TEXT, written
from v2xsim.study.continued import StoreError
from v2xsim.study.folders import StudyError
from v2xsim.study.study_folder import begin, provenance_in, study_file_in


def test_a_study_records_its_file_and_the_time_of_its_first_run(tmp_path):
    path = written(tmp_path)
    begin(tmp_path / "runs", path, "test")
    known = provenance_in(tmp_path / "runs")
    assert known.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert known.begun.endswith("Z")
    assert study_file_in(tmp_path / "runs").name == "small"


def test_running_a_study_again_keeps_the_time_of_its_first_run(tmp_path):
    path, folder = written(tmp_path), tmp_path / "runs"
    begin(folder, path, "test")
    manifest = json.loads((folder / "study.json").read_text()) | {"begun": "2020-01-01T00:00:00Z"}
    (folder / "study.json").write_text(json.dumps(manifest))
    begin(folder, path, "test")
    assert provenance_in(folder).begun == "2020-01-01T00:00:00Z"


def test_the_plan_of_a_test_must_not_change_after_its_first_run(tmp_path):
    begin(tmp_path / "runs", written(tmp_path), "test")
    changed = written(tmp_path, TEXT.replace("loads: [0.2, 0.25]", "loads: [0.2]"))
    with pytest.raises(StoreError, match=r"plan of a test must not change after its first run: .*plan\.yaml"):
        begin(tmp_path / "runs", changed, "test")
    assert study_file_in(tmp_path / "runs").families["town"].loads == [0.2, 0.25]


def test_a_development_may_change_its_plan_and_records_each(tmp_path):
    begin(tmp_path / "runs", written(tmp_path), "development")
    first = provenance_in(tmp_path / "runs")
    begin(tmp_path / "runs", written(tmp_path, TEXT.replace("loads: [0.2, 0.25]", "loads: [0.2]")), "development")
    known = provenance_in(tmp_path / "runs")
    assert known.sha256 != first.sha256
    assert [earlier["sha256"] for earlier in known.earlier] == [first.sha256]
    assert study_file_in(tmp_path / "runs").families["town"].loads == [0.2]


def test_development_and_test_do_not_share_a_folder(tmp_path):
    path = written(tmp_path)
    begin(tmp_path / "runs", path, "development")
    with pytest.raises(StoreError, match="holds the development runs of a study; name another folder"):
        begin(tmp_path / "runs", path, "test")


def test_a_folder_with_other_files_is_refused(tmp_path):
    with pytest.raises(StoreError, match="must be new, empty, or hold this study"):
        begin(tmp_path, written(tmp_path), "test")


def test_a_copy_of_the_study_file_that_was_changed_is_refused(tmp_path):
    begin(tmp_path / "runs", written(tmp_path), "test")
    (tmp_path / "runs" / "study.yaml").write_text(TEXT.replace("0.25", "0.26"))
    with pytest.raises(StudyError, match="is not the study file of the runs"):
        study_file_in(tmp_path / "runs")


def test_a_folder_that_is_no_study_says_which_is(tmp_path):
    begin(tmp_path / "studies" / "test", written(tmp_path), "test")
    with pytest.raises(StudyError, match=r"must be the folder of a study .*; name one of .*studies/test"):
        provenance_in(tmp_path / "studies")
    with pytest.raises(StudyError, match="name the folder that v2xsim study run printed"):
        provenance_in(tmp_path)
