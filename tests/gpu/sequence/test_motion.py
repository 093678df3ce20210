"""Motion as tokens: what holds for any tracks, how rare moves fare, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.gpu.sequence.motion import (
    coverage,
    detokenise,
    drift,
    moved,
    moves_between,
    moves_of,
    nearest,
    token_offsets,
    token_statistics,
    tokenise,
)
from v2xsim.gpu.sequence.motion_covering import covering, random_k_disks
from v2xsim.gpu.sequence.motion_vocabulary import MotionError, MotionVocabulary, embedded, mirrored

STEP_S = 0.5


def driven(tracks, steps, seed, fast_turns=0.01):
    """Return tracks with speeds and yaw rates that wander, standing now and then; some tracks turn fast, once in a while."""
    draw = np.random.default_rng(seed)
    speed_mps = np.clip(
        np.cumsum(draw.normal(0.0, 0.6, (tracks, steps)), axis=1) + draw.uniform(0, 15, (tracks, 1)), 0, 20
    )
    speed_mps[draw.random((tracks, steps)) < 0.1] = 0.0
    yaw_rate = draw.normal(0.0, 0.02, (tracks, steps))
    yaw_rate += np.where(draw.random((tracks, steps)) < fast_turns, draw.choice([-1.4, 1.4], (tracks, steps)), 0.0)
    yaw_rate[speed_mps == 0.0] = 0.0
    pose = np.zeros((tracks, steps + 1, 3))
    pose[:, 0] = draw.uniform([-500, -500, -np.pi], [500, 500, np.pi], (tracks, 3))
    for n in range(steps):
        turn = yaw_rate[:, n] * STEP_S
        move = np.column_stack(
            [speed_mps[:, n] * STEP_S * np.cos(turn / 2), speed_mps[:, n] * STEP_S * np.sin(turn / 2), turn]
        )
        pose[:, n + 1] = moved(pose[:, n], move)
    return pose.reshape(-1, 3), np.arange(tracks + 1) * (steps + 1)


@pytest.fixture(scope="module")
def vocabulary():
    return covering(*driven(100, 100, 1), 256, step_s=STEP_S)


def test_distance_is_that_of_the_corners_of_a_box():
    one, other = np.array([[3.0, 0.4, 0.3]]), np.array([[2.5, -0.2, -0.9]])
    corners = np.array([[3.75, 1.25], [3.75, -1.25], [-3.75, 1.25], [-3.75, -1.25]])

    def placed(move):
        cos, sin = np.cos(move[2]), np.sin(move[2])
        return corners @ np.array([[cos, sin], [-sin, cos]]) + move[:2]

    by_corners = np.sqrt(np.mean(np.sum((placed(one[0]) - placed(other[0])) ** 2, axis=1)))
    lever_m = np.hypot(7.5, 2.5) / 2
    assert np.linalg.norm(embedded(one, lever_m) - embedded(other, lever_m)) == pytest.approx(by_corners)


def test_moves_lead_from_each_pose_to_the_next():
    pose, _ = driven(1, 50, 2)
    led = moved(pose[:-1], moves_between(pose[:-1], pose[1:]))
    assert np.allclose(led, pose[1:])


def test_every_token_has_its_mirror_and_straight_ones_are_their_own(vocabulary):
    assert (vocabulary.mirror >= 0).all()
    assert (vocabulary.move[vocabulary.mirror] == mirrored(vocabulary.move)).all()
    own = vocabulary.mirror == np.arange(len(vocabulary))
    assert (vocabulary.move[own, 1:] == 0).all()
    assert (vocabulary.move[vocabulary.stationary] == 0).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), grid=st.booleans())
def test_mirrored_tracks_have_mirrored_tokens(vocabulary, seed, grid):
    pose, offset = driven(4, 60, seed)
    if grid:
        # Straight along the axes: where ties between left and right really happen.
        pose[:, 1], pose[:, 2] = 0.0, 0.0
    there, back = tokenise(vocabulary, pose, offset), tokenise(vocabulary, mirrored(pose), offset)
    assert (back == vocabulary.mirror[there]).all()


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000), turn=st.floats(-3.0, 3.0), x=st.floats(-1000.0, 1000.0), y=st.floats(-1000.0, 1000.0)
)
def test_turning_and_shifting_the_world_changes_no_token(vocabulary, seed, turn, x, y):
    pose, offset = driven(4, 60, seed)
    elsewhere = moved(np.tile([x, y, turn], (len(pose), 1)), pose)
    assert (tokenise(vocabulary, elsewhere, offset) == tokenise(vocabulary, pose, offset)).mean() > 0.99
    assert drift(vocabulary, elsewhere, offset).mean_m == pytest.approx(
        drift(vocabulary, pose, offset).mean_m, rel=0.05
    )


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_tokens_lead_back_to_the_track_however_long_it_is(vocabulary, seed):
    pose, offset = driven(2, 400, seed)
    token = tokenise(vocabulary, pose, offset)
    led = detokenise(vocabulary, token, token_offsets(offset), pose[offset[:-1]])
    error_m = np.hypot(*(led - pose)[:, :2].T).reshape(2, -1)
    assert error_m.max() < 3.0
    # What is lost does not add up: the last quarter of a track is no worse than the second.
    assert error_m[:, 300:].mean() < error_m[:, 100:200].mean() + 0.2


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_a_vocabulary_that_is_large_enough_covers_all_it_was_made_from(seed):
    pose, offset = driven(4, 60, seed)
    made = covering(pose, offset, 4 * len(pose), step_s=STEP_S)
    assert coverage(made, moves_of(pose, offset)).uncovered == 0.0


def test_a_token_stands_for_its_own_move(vocabulary):
    token, distance_m = nearest(vocabulary, vocabulary.move)
    assert (token == np.arange(len(vocabulary))).all()
    assert (distance_m == 0).all()


def test_the_nearest_token_is_the_one_that_comparing_all_finds(vocabulary):
    moves = moves_of(*driven(20, 50, 3))
    moves = moves[(moves[:, 1:] != 0).any(axis=1)]
    token, distance_m = nearest(vocabulary, moves)
    lever_m = vocabulary.lever_m
    gaps = embedded(moves, lever_m)[:, None] - embedded(vocabulary.move, lever_m)[None]
    assert np.allclose(distance_m, np.linalg.norm(gaps, axis=2).min(axis=1))
    assert len(np.unique(token)) > 20


def test_a_stream_has_the_tokens_of_the_whole_track(vocabulary):
    pose, offset = driven(1, 80, 4)
    led, tokens = pose[:1], []
    for now in pose[1:]:
        token, _ = nearest(vocabulary, moves_between(led, now[None]))
        led = moved(led, vocabulary.move[token])
        tokens.append(int(token[0]))
    assert tokens == tokenise(vocabulary, pose, offset).tolist()


def test_rare_fast_turns_derail_random_disks_and_not_a_covering_vocabulary():
    train, judged = driven(150, 100, 5, fast_turns=0.0005), driven(150, 100, 6, fast_turns=0.02)
    moves = moves_of(*train)
    ours = drift(covering(*train, 192, step_s=STEP_S), *judged)
    random = [
        drift(random_k_disks(moves, 192, np.random.default_rng(seed), step_s=STEP_S), *judged) for seed in range(3)
    ]
    assert ours.largest_m < 0.5 * min(other.largest_m for other in random)
    assert ours.quantile_99_m < 0.5 * min(other.quantile_99_m for other in random)


def test_the_same_moves_make_the_same_vocabulary_file(tmp_path):
    tracks = driven(20, 50, 7)
    for name in ("one", "other"):
        covering(*tracks, 64, step_s=STEP_S).save(tmp_path / f"{name}.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


def test_a_vocabulary_comes_back_from_its_file(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "vocabulary.npz")
    back = MotionVocabulary.load(tmp_path / "vocabulary.npz")
    assert (back.move == vocabulary.move).all()
    assert (back.mirror == vocabulary.mirror).all()
    assert (back.step_s, back.tolerance_m, back.box_m) == (STEP_S, vocabulary.tolerance_m, vocabulary.box_m)


def test_statistics_of_equally_frequent_tokens_are_the_logarithm_of_their_number(vocabulary):
    token = np.arange(len(vocabulary))
    found = token_statistics(vocabulary, token, token)
    assert found.entropy_nats == pytest.approx(np.log(len(vocabulary)))
    assert found.unigram_cross_entropy_nats == pytest.approx(np.log(len(vocabulary)))
    assert found.stationary == pytest.approx(1 / len(vocabulary))


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 half of one"])
def test_a_damaged_vocabulary_file_is_named(tmp_path, content):
    path = tmp_path / "vocabulary.npz"
    path.write_bytes(content)
    with pytest.raises(MotionError, match=r"vocabulary\.npz"):
        MotionVocabulary.load(path)


def test_a_truncated_or_foreign_vocabulary_file_is_named(vocabulary, tmp_path):
    path = tmp_path / "vocabulary.npz"
    vocabulary.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(MotionError, match=r"vocabulary\.npz"):
        MotionVocabulary.load(path)
    np.savez(path, move=vocabulary.move)
    with pytest.raises(MotionError, match="it has no 'format'"):
        MotionVocabulary.load(path)
    with pytest.raises(MotionError, match=r"absent\.npz: cannot be read"):
        MotionVocabulary.load(tmp_path / "absent.npz")


@pytest.mark.passes_wrong_types
def test_what_is_no_motion_is_refused_with_its_place(vocabulary):
    pose, offset = driven(2, 10, 8)
    broken = pose.copy()
    broken[13, 1] = np.nan
    with pytest.raises(MotionError, match="must be finite, got nan in row 13, column 1"):
        tokenise(vocabulary, broken, offset)
    broken[13, 1] = 1e150
    with pytest.raises(MotionError, match=r"must be within 1e\+09, got 1e\+150 in row 13, column 1"):
        tokenise(vocabulary, broken, offset)
    with pytest.raises(MotionError, match=r"float64 of shape \(rows, 3\), got float64 of shape \(22, 2\)"):
        tokenise(vocabulary, pose[:, :2], offset)
    with pytest.raises(MotionError, match="rise from 0 to the number of rows, 22"):
        tokenise(vocabulary, pose, offset[:-1])
    with pytest.raises(MotionError, match=f"from 0 to {len(vocabulary) - 1} in this vocabulary, got 999 at 1"):
        detokenise(vocabulary, np.array([0, 999]), np.array([0, 2]), pose[:1])
    with pytest.raises(MotionError, match="one initial pose a track, got 2 for 1"):
        detokenise(vocabulary, np.array([0, 1]), np.array([0, 2]), pose[:2])
    with pytest.raises(MotionError, match="whole size of at least 1, got 0"):
        covering(pose, offset, 0, step_s=STEP_S)
    with pytest.raises(MotionError, match="tolerance_m must be above 0"):
        covering(pose, offset, 10, step_s=STEP_S, tolerance_m=0.0)
    with pytest.raises(MotionError, match="step_s must be above 0"):
        covering(pose, offset, 10, step_s=-1.0)


POSE, NO_POSES = np.zeros((1, 3)), np.zeros((0, 3))
MOVES = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: MotionVocabulary(POSE, np.array([-5]), STEP_S, 0.3), r"mirror must be 1 int64 tokens below 1, or -1, got"),
        (lambda v: MotionVocabulary(POSE, [0], STEP_S, 0.3), r"mirror must be 1 int64 tokens below 1, or -1, got \[0\]"),
        (lambda v: MotionVocabulary(MOVES, np.array([1, 1, 2]), STEP_S, 0.3), "must lead back from each token's mirror to it"),
        (lambda v: MotionVocabulary(MOVES, np.array([1, -1, 2]), STEP_S, 0.3), "must lead back from each token's mirror to it"),
        (lambda v: MotionVocabulary(POSE, np.array([0]), None, 0.3), "step_s must be above 0 and finite, got None"),
        (lambda v: MotionVocabulary(POSE, np.array([0]), "a", 0.3), "step_s must be above 0 and finite, got 'a'"),
        (lambda v: MotionVocabulary(POSE, np.array([0]), STEP_S, np.nan), "tolerance_m must be above 0 and finite, got nan"),
        (lambda v: MotionVocabulary(POSE, np.array([0]), STEP_S, 0.3, (1.0,)), "box_m must be a length and a width"),
        (lambda v: MotionVocabulary(POSE, np.array([0]), STEP_S, 0.3, (1.0, 0.0)), "box_m must be above 0 and finite, got 0"),
        (lambda v: MotionVocabulary([[0.0, 0.0, 0.0]], np.array([0]), STEP_S, 0.3), "must be a numpy array .* got list"),
        (lambda v: drift(v, POSE, np.array([0, 1])), "drift is of poses after the first ones, got none in 1 tracks"),
        (lambda v: drift(v, NO_POSES, np.array([0])), "drift is of poses after the first ones, got none in 0 tracks"),
        (lambda v: coverage(v, NO_POSES), "coverage is of moves, got none"),
        (lambda v: tokenise(v, [[0.0, 0.0, 0.0]], np.array([0, 1])), "poses must be a numpy array of float64, got list"),
        (lambda v: tokenise(v, POSE, [0, 1]), "offsets must be a numpy array of int64 in one row, got list"),
        (lambda v: detokenise(v, [0], np.array([0, 1]), POSE), "tokens must be a numpy array of int64 in one row, got list"),
        (lambda v: covering(*driven(2, 9, 8), 1.5, step_s=STEP_S), "a whole size of at least 1, got 1.5"),
        (
            lambda v: random_k_disks(v.move, 4, np.random.default_rng(0), step_s=STEP_S, box_m=(1.0, 2.0, 3.0)),
            "box_m must be a length and a width",
        ),
    ],
)  # fmt: skip
def test_vocabularies_and_measures_that_cannot_be_are_refused(vocabulary, call, words):
    with pytest.raises(MotionError, match=words):
        call(vocabulary)
