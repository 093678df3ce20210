"""Faults in a user's file that a plain message must explain, and copies of a study in one process."""

import pytest

from v2xsim.scenario import load
from v2xsim.scenario.errors import ScenarioError

RULE = '''
from dataclasses import dataclass
import numpy as np
from v2xsim.comms.relay.rule import RelayRule


@part("copied_rule")
@dataclass(frozen=True)
class CopiedRule(RelayRule):
    """A rule."""

    BODY

    def score(self, view):
        return view.height
'''.replace("import numpy as np\n", "import numpy as np\nfrom v2xsim.parts import part\n")
TRAFFIC = "traffic: {highway: {length_m: 500}}\ncooperation: {relay: copied_rule}\nplugins: [copied_rule.py]\n"


def study(folder, body="weight: float = 1.0", before=""):
    folder.mkdir(exist_ok=True)
    (folder / "copied_rule.py").write_text(before + RULE.replace("BODY", body))
    (folder / "study.yaml").write_text(TRAFFIC)
    return folder / "study.yaml"


def test_a_parameter_of_a_type_that_no_scenario_can_hold_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match=r"copied_rule\.py:\d+: .* of a type that a scenario can hold .*ndarray"):
        load(study(tmp_path / "a", "rows: np.ndarray = None"))


def test_an_import_of_another_file_of_the_folder_is_explained(tmp_path):
    file = study(tmp_path / "a", before="import beside_it\n")
    (tmp_path / "a" / "beside_it.py").write_text("")
    with pytest.raises(
        ScenarioError, match=r"copied_rule\.py:1: imports 'beside_it' from its own folder; a plug-in is one file"
    ):
        load(file)


def test_a_copy_of_a_study_loads_in_the_same_process(tmp_path):
    first, second = study(tmp_path / "a"), study(tmp_path / "b", "weight: float = 2.0")
    for _ in range(2):
        assert load(first).cooperation.relay.weight == 1.0
        assert load(second).cooperation.relay.weight == 2.0


def test_two_files_of_one_scenario_cannot_register_the_same_name(tmp_path):
    file = study(tmp_path / "a")
    study(tmp_path / "b")
    file.write_text(TRAFFIC.replace("[copied_rule.py]", "[copied_rule.py, ../b/copied_rule.py]"))
    with pytest.raises(ScenarioError, match=r"plugins\.1: .*'copied_rule' is registered by .*a/copied_rule\.py"):
        load(file)
