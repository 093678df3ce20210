"""Studies to compare, with numbers that a test chooses, and their comparisons."""

import numpy as np

from v2xsim.study.compare import against_baseline, with_first
from v2xsim.study.contrasts import contrasts_of
from v2xsim.study.studies import read_study

TWO = [{"cooperation.relay": "none"}, {"cooperation.relay": "hybrid"}]


def noisy(name, setting, seed):
    """Seeds differ much; the second setting adds 0.05 to delivery with little noise, and noise alone to precision."""
    common = np.random.default_rng(len(name)).normal(0.5, 0.2, 1000)[seed]
    own = np.random.default_rng([len(name), setting]).normal(0, 0.01, 1000)[seed]
    if name == "channel_busy_ratio":
        return common
    return common + own + (0.05 * setting if name == "prr" else 0.0)


def compared(study, metrics=(("prr", "1"),), confidence=0.95, pool=False, **wanted):
    baseline = {key.replace("__", "."): value for key, value in wanted.items()}
    return against_baseline(study, metrics, contrasts_of(study, baseline), confidence, pool)


def between(one, two, metrics, confidence=0.95):
    (found,) = with_first([one, two], metrics, confidence)
    return found


def study_of(tmp_path, made_sweep, settings, seeds, value, name="s", **said):
    return read_study(made_sweep(tmp_path / name, settings, seeds, value, **said))


GRID = [{"cooperation.relay": r, "stations.penetration": s} for r in ("none", "hybrid") for s in (0.3, 1.0)]


def crossed(name, setting, seed):
    """The relay adds 0.2 at penetration 0.3 and takes 0.1 at penetration 1; delivery is 0.3 higher at penetration 1.

    The third seed differs a little in the last two settings, the first one as much in the other direction.
    """
    own = 0.001 * (setting > 1) * (np.equal(seed, 3) - 1.0 * np.equal(seed, 1))
    return np.array([0.4, 0.7, 0.6, 0.6])[setting] + 0.01 * seed + own
