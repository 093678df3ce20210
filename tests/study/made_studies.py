"""Studies at equal load that nobody simulated: folders as `v2xsim study run` leaves them, with numbers that a test chooses."""

from tests.study.small_sweeps import done
from v2xsim.evaluation.metric import Metric
from v2xsim.results.results import metrics_table
from v2xsim.study.gather import gather
from v2xsim.study.point import as_bytes
from v2xsim.study.store import opened
from v2xsim.study.study_findings import read_findings
from v2xsim.study.study_folder import begin, study_file_in
from v2xsim.study.study_plan import plans_of, settings_of_rules
from v2xsim.study.studyfile import read_study_file

TEXT = """\
name: small
question: What is so?
metric: blind_covered
also: [cycle_success]
load: {key: cooperation.budget_bytes, values: [500, 2000, 8000]}
families:
  town: {scenario: demo, loads: [0.2, 0.25], recommended: [0.2]}
rules:
  - hybrid
  - height
  - direct: {cooperation.relay: none}
  - oracle: {cooperation.relay: best_snr}
reference: hybrid
beats: [direct]
bounds: [oracle]
direct: direct
oracle: oracle
seeds: {development: [1, 2, 3], test: [11, 12, 13, 14, 15]}
"""


def written(folder, text=TEXT):
    """Write a study file, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.yaml"
    path.write_text(text)
    return path


def planned(path, purpose="development", families=()):
    """Return the study file and the plans of its families."""
    file, document, path = read_study_file(path)
    return file, plans_of(file, document, path.parent, purpose, families)


def made(tmp_path, value, text=TEXT, purpose="test", only=lambda point: True):
    """Write the folder of a study, and return it.

    Args:
        tmp_path: Folder in which study file and runs lie.
        value: Takes metric, family, rule, value of the load axis and seed; returns the value of the metric.
        text: The study file.
        purpose: Which seeds are run.
        only: Takes a point, and returns whether it has finished.
    """
    path = written(tmp_path, text)
    file, plans = planned(path, purpose)
    folder = tmp_path / "runs"
    begin(folder, path, purpose)
    settings = settings_of_rules(file)
    for family in plans:
        with opened(folder / family.name, family.plan, resume=False) as store:
            for point in filter(only, family.plan.points):
                rule, load = settings[point.setting]
                rows = [
                    (name, "", Metric(value(name, family.name, rule.name, load, point.seed), "1", 1))
                    for name in (file.metric, file.load_metric, *file.also)
                ]
                (store.folder / "points" / f"{point.key}.arrow").write_bytes(as_bytes(metrics_table(rows)))
                store.note(done(point))
            gather(store)
    return folder


def found(folder):
    """Return what a study found."""
    return read_findings(folder, study_file_in(folder))


GAIN = {"direct": 0.0, "height": 0.05, "hybrid": 0.05, "oracle": 0.1}
SHARE = {"direct": 0.1, "height": 0.12, "hybrid": 0.12, "oracle": 0.1}


def usual(metric, family, rule, load, seed):
    """Return the value of a metric of a world in which relays help by 0.05, hybrid as much as height, and the oracle twice as much.

    The busy ratio is 0.1 or 0.12, and 0.1 or 0.2 more with each step of the budget; the metric rises with the load by 1. Seeds differ by a level, and rules in a seed by a little.
    """
    step = [500, 2000, 8000].index(load)
    busy = SHARE[rule] + 0.1 * step
    noise = 0.001 * ((seed * (1 + list(GAIN).index(rule)) + step) % 5 - 2)
    return {
        "channel_busy_ratio": busy,
        "blind_covered": 0.2 + 0.01 * seed + GAIN[rule] + busy + noise,
        "cycle_success": 0.5 + GAIN[rule],
    }[metric]
