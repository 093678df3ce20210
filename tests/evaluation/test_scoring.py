"""The scores of all egos of a tick in one compiled call are those of plain numpy for each ego."""

import numpy as np
import plain_scores as plain
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.evaluation.frame import score
from v2xsim.evaluation.scene import MODES, Scene
from v2xsim.perception.metrics.average_precision import THRESHOLDS
from v2xsim.perception.tracking.tracker import Tracks, step
from v2xsim.records import Boxes, Detections

RANGE_M = 12.0
SEEDS = st.integers(0, 2**32 - 1)


def bodies(rng, count, is_coarse):
    """Return bodies in a square of 30 m; on a coarse grid many are at the same place, of the same size or heading."""
    center_m = rng.uniform(-15, 15, (count, 3))
    size_m, yaw_rad = rng.uniform(1, 5, (count, 3)), rng.uniform(-np.pi, np.pi, count)
    if is_coarse:
        center_m, size_m = np.round(center_m / 5) * 5, np.round(size_m)
        yaw_rad = rng.choice([0.0, np.pi / 2], count)
    return Boxes(center_m, size_m, yaw_rad)


def detected(rng, around, is_coarse):
    """Return detections of some road users with errors, some twice, and false ones, with equal scores among them."""
    rows = rng.integers(0, len(around.agent), rng.integers(0, 2 * len(around.agent) + 1)) if len(around.agent) else []
    rows, false = np.array(rows, np.int64), bodies(rng, rng.integers(0, 4), is_coarse)
    shift = np.zeros((len(rows), 3)) if is_coarse else rng.normal(0, 0.4, (len(rows), 3))
    true = Boxes(around.apparent.center_m[rows] + shift, around.apparent.size_m[rows], around.apparent.yaw_rad[rows])
    boxes, count = Boxes.joined([true, false]), len(rows) + len(false)
    truth = np.concatenate([around.agent[rows], np.full(len(false), -1)]).astype(np.int64)
    truth[rng.random(count) < 0.05] = 999  # A road user that has left.
    return Detections(boxes, np.zeros((count, 2)), rng.choice([0.2, 0.5, 0.9], count), truth)


def tracks_of(detections):
    return step(step(Tracks.none(0), detections, 0), detections[::2], 100_000)


def tick(rng, is_coarse):
    """Return the scenes of some egos with the same road users around them, and what each ego perceives by mode."""
    users = int(rng.integers(0, 9))
    agent, boxes = rng.permutation(40)[:users].astype(np.int64), bodies(rng, users, is_coarse)
    velocity_mps = rng.integers(-9, 10, (users, 2)).astype(float)
    scenes, perceived = [], []
    for ego in rng.permutation(np.append(agent, 77))[: rng.integers(1, 5)].tolist():
        there = np.flatnonzero(agent == ego)
        ego_m = boxes.center_m[there[0], :2] if len(there) else rng.uniform(-5, 5, 2)
        error_m = np.append(np.round(rng.normal(0, 1, 2)), 0.0)
        apparent = Boxes(boxes.center_m + error_m, boxes.size_m, boxes.yaw_rad)
        around = Scene(
            ego, 0, ego_m, ego_m + error_m[:2], velocity_mps[there[0]] if len(there) else np.zeros(2), agent, boxes,
            apparent, velocity_mps, rng.integers(0, 3, users),
        )  # fmt: skip
        found = {mode: detected(rng, around, is_coarse) for mode in MODES}
        scenes.append(around)
        perceived.append({mode: (found[mode], tracks_of(found[mode])) for mode in MODES})
    return scenes, perceived


def by_plain_numpy(around, by_mode):
    modes = [
        (
            plain.counts(found, around, RANGE_M).tolist(),
            plain.seen(found, around, RANGE_M).tolist(),
            plain.known(tracks, around).tolist(),
            plain.false(tracks, around, RANGE_M).tolist(),
            *hits(plain.matched(found, around, RANGE_M, THRESHOLDS)),
        )
        for found, tracks in by_mode.values()
    ]
    return (
        plain.near(around, RANGE_M).tolist(),
        plain.distance_m(around).tobytes(),
        plain.conflict(around).tolist(),
        plain.relevant(around).tolist(),
        modes,
    )


def hits(match):
    return match.score.tolist(), match.hit.tolist(), match.objects


def compiled(results):
    """Return the scores of each ego in plain numbers."""
    flat = results.flat
    for e, result in enumerate(results):
        modes = [
            (
                part.counts.tolist(),
                part.seen.tolist(),
                part.known.tolist(),
                flat.false_number[flat.false_group == e * len(MODES) + m].tolist(),
                *hits(part.matched),
            )
            for m, part in enumerate(result.modes.values())
        ]
        yield (
            result.near.tolist(),
            result.distance_m.tobytes(),
            result.conflict.tolist(),
            flat.relevant[e].tolist(),
            modes,
        )


@settings(max_examples=150)
@given(seed=SEEDS, is_coarse=st.booleans())
def test_all_egos_of_a_tick_get_the_scores_of_plain_numpy(seed, is_coarse):
    scenes, perceived = tick(np.random.default_rng(seed), is_coarse)
    results = score(scenes, perceived, RANGE_M)
    assert list(compiled(results)) == [by_plain_numpy(*pair) for pair in zip(scenes, perceived, strict=True)]


@settings(max_examples=50)
@given(seed=SEEDS, is_coarse=st.booleans())
def test_the_order_of_detections_has_no_influence_on_the_scores(seed, is_coarse):
    rng = np.random.default_rng(seed)
    scenes, perceived = tick(rng, is_coarse)
    shuffled = [
        {mode: (found[rng.permutation(len(found))], tracks) for mode, (found, tracks) in by_mode.items()}
        for by_mode in perceived
    ]
    for one, other in zip(score(scenes, perceived, RANGE_M), score(scenes, shuffled, RANGE_M), strict=True):
        for mode in MODES:
            assert hits(one.modes[mode].matched) == hits(other.modes[mode].matched)
            assert one.modes[mode].seen.tolist() == other.modes[mode].seen.tolist()


def test_no_ego_has_no_score():
    assert score([], [], RANGE_M) == []
