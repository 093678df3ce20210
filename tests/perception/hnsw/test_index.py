"""The HNSW index: nothing alive is lost, nothing dead comes back, and the paper's claims hold."""

import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.exact import BFIndex
from v2xsim.perception.hnsw.file import to_bytes
from v2xsim.perception.hnsw.index import Index


def index(space="l2", dim=4, **said):
    made = Index(space, dim)
    made.init_index(**said)
    return made


def clustered(count, dim, seed=1, clusters=60):
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(clusters, dim))
    return (centre[rng.integers(clusters, size=count)] + 0.1 * rng.normal(size=(count, dim))).astype(np.float32)


def recall(found, true):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), true.tolist(), strict=True)])


def exact(data, queries, k=10, space="l2"):
    twin = BFIndex(space, data.shape[1])
    twin.add_items(data)
    return twin.knn_query(queries, k)


def state(made):
    return to_bytes(**made.__getstate__())


def reachable(made, k):
    """Labels that a search as wide as the index finds."""
    made.set_ef(max(1, made.get_current_count() * 2 + 16))
    labels, _ = made.knn_query(np.zeros((1, made.dim), np.float32), max(1, k))
    return {int(label) for label in labels[0] if label >= 0}


POINT = st.integers(0, 12)
STEP = st.one_of(
    st.tuples(st.just("insert"), st.lists(POINT, min_size=1, max_size=8, unique=True), st.integers(0, 1000)),
    st.tuples(st.just("delete"), POINT),
    st.tuples(st.just("mark"), POINT),
    st.tuples(st.just("unmark"), POINT),
    st.tuples(st.just("save")),
    st.tuples(st.just("ask"), st.integers(1, 20), st.integers(0, 2**13 - 1), st.integers(0, 1000)),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=40), st.sampled_from(["l2", "ip", "cosine"]), st.booleans())
def test_any_sequence_of_operations_loses_nothing_alive_and_returns_nothing_dead(
    tmp_path_factory, steps, space, coarse
):
    """Labels 0 to 12 with M 2, so that links are scarce; `coarse` vectors coincide often."""
    made, twin, hidden, known = index(space, 3, M=2, ef_construction=8), BFIndex(space, 3), set(), {}
    for step in steps:
        if step[0] == "insert":
            rng = np.random.default_rng(step[2])
            vectors = rng.integers(1, 3, (len(step[1]), 3)) if coarse else rng.normal(size=(len(step[1]), 3))
            made.add_items(vectors, step[1])
            known.update(zip(step[1], vectors.astype(np.float32), strict=True))
            hidden -= set(step[1])
        elif step[0] == "delete" and step[1] in known:
            made.delete(step[1])
            del known[step[1]]
            hidden.discard(step[1])
        elif step[0] == "mark" and step[1] in set(known) - hidden:
            made.mark_deleted(step[1])
            hidden.add(step[1])
        elif step[0] == "unmark" and step[1] in hidden:
            made.unmark_deleted(step[1])
            hidden.remove(step[1])
        elif step[0] == "save":
            file = tmp_path_factory.getbasetemp() / "index"
            made.save_index(file)
            made = Index(space, 3)
            made.load_index(file)
        elif step[0] == "ask":
            live = {label: v for label, v in known.items() if label not in hidden}
            mask = np.array([bool(step[2] >> label & 1) for label in range(13)])
            query = np.random.default_rng(step[3]).normal(size=(1, 3)).astype(np.float32)
            made.set_ef(64)
            labels, distances = made.knn_query(query, step[1], filter=mask)
            allowed = {label for label in live if mask[label]}
            assert labels.shape == (1, step[1])
            assert {int(a) for a in labels[0] if a >= 0} <= allowed
            assert (labels[0] >= 0).sum() == min(step[1], len(allowed))
            twin.init_index()
            if allowed:
                names = sorted(allowed)
                twin.add_items(np.stack([live[a] for a in names]), names)
            expected = twin.knn_query(query, step[1])[1]
            np.testing.assert_allclose(distances, expected, rtol=1e-4, atol=1e-5)
        assert reachable(made, len(known) + 3) == set(known) - hidden


def test_ten_thousand_inserts_five_thousand_deletes_and_reinserts_leave_every_item_reachable():
    data, made = clustered(10_000, 16), index("l2", 16, M=8, ef_construction=40)
    made.add_items(data)
    gone = np.random.default_rng(2).permutation(10_000)[:5000]
    made.delete(gone)
    assert made.get_current_count() == 5000
    assert reachable(made, 5000) == set(range(10_000)) - set(gone.tolist())
    made.add_items(data[gone[:2500]] + np.float32(0.01), gone[:2500])
    assert reachable(made, 7500) == (set(range(10_000)) - set(gone.tolist())) | set(gone[:2500].tolist())
    made.set_ef(50)
    kept = sorted(made.get_ids_list())
    found = made.knn_query(data[kept[:300]], 1)[0][:, 0]
    assert np.mean(found == np.array(kept[:300])) > 0.97


@pytest.mark.parametrize("space", ["l2", "ip", "cosine"])
def test_a_wide_search_finds_the_true_neighbours(space):
    data, queries = clustered(3000, 24), clustered(100, 24, seed=1)[::-1].copy()
    made = index(space, 24, M=16, ef_construction=100)
    made.add_items(data)
    made.set_ef(200)
    labels, distances = made.knn_query(queries, 10)
    true, least = exact(data, queries, 10, space)
    assert recall(labels, true) > (0.9 if space == "ip" else 0.99)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert np.allclose(distances[:, 0], least[:, 0], rtol=1e-3, atol=1e-4) or space == "ip"


def test_distances_are_those_of_the_spaces():
    data, query = np.array([[3.0, 4.0], [1.0, 0.0]], np.float32), np.array([[1.0, 0.0]], np.float32)
    for space, expected in (("l2", [0.0, 4.0 + 16.0]), ("ip", [1.0 - 3.0, 1.0 - 1.0]), ("cosine", [0.0, 1.0 - 0.6])):
        made = index(space, 2)
        made.add_items(data)
        np.testing.assert_allclose(made.knn_query(query, 2)[1][0], expected, atol=1e-6)


def test_on_clustered_data_the_heuristic_finds_what_plain_selection_misses():
    """The paper's figure 7: links to the nearest alone stay within a cluster."""
    data, queries = clustered(8000, 32, clusters=300), clustered(400, 32, clusters=300, seed=1)[::-1].copy()
    true, found = exact(data, queries)[0], {}
    for rule in ("heuristic", "simple"):
        made = index("l2", 32, M=8, ef_construction=100, selection=rule)
        made.add_items(data)
        made.set_ef(10)
        found[rule] = recall(made.knn_query(queries, 10)[0], true)
    assert found["heuristic"] > 0.9
    assert found["simple"] < found["heuristic"] - 0.15


def test_distance_computations_grow_like_a_logarithm_of_the_number():
    """Sixteen times the items: with a power law of exponent 0.25 the work would double."""
    work = []
    for count in (1000, 4000, 16_000):
        data = np.random.default_rng(3).random((count, 8), dtype=np.float32)
        made = index("l2", 8, M=12, ef_construction=60)
        made.add_items(data)
        made.set_ef(10)
        made.knn_query(np.random.default_rng(4).random((300, 8), dtype=np.float32), 10)
        work.append(made.distances_computed.mean())
    assert work[2] / work[0] < 2.0
    assert work[2] < 16_000 / 40


def test_one_seed_gives_one_index_and_another_seed_another():
    data = clustered(2000, 8)
    files = []
    for seed in (5, 5, 6):
        made = index("l2", 8, random_seed=seed)
        made.add_items(data[:1500])
        made.add_items(data[1500:])
        files.append(state(made))
    assert files[0] == files[1] != files[2]


def test_a_saved_index_answers_the_same_and_grows_the_same(tmp_path):
    data = clustered(1500, 8)
    made = index("cosine", 8)
    made.add_items(data[:1000])
    made.delete(range(100))
    made.mark_deleted(500)
    made.save_index(tmp_path / "index")
    again = Index("cosine", 8)
    again.load_index(tmp_path / "index")
    for one in (made, again):
        one.add_items(data[1000:])
    for a, b in zip(made.knn_query(data[:50], 7), again.knn_query(data[:50], 7), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_object_can_be_pickled():
    made = index("l2", 8)
    made.add_items(clustered(300, 8))
    again = pickle.load(io.BytesIO(pickle.dumps(made)))
    np.testing.assert_array_equal(again.knn_query(clustered(9, 8), 3)[0], made.knn_query(clustered(9, 8), 3)[0])


def test_threads_change_nothing():
    data = clustered(2000, 8)
    made = index("l2", 8)
    made.add_items(data)
    np.testing.assert_array_equal(made.knn_query(data[:64], 5)[0], made.knn_query(data[:64], 5, num_threads=3)[0])


def test_items_live_until_their_time():
    made = index("l2", 2)
    made.add_items(np.eye(2), [1, 2], expires=[10.0, 20.0])
    assert made.expire(9.9) == []
    assert made.expire(10.0) == [1]
    assert made.knn_query(np.eye(2)[:1], 2)[0].tolist() == [[2, -1]]


def test_new_items_take_the_place_of_marked_ones():
    made = index("l2", 2, max_elements=2, allow_replace_deleted=True)
    made.add_items(np.eye(2), [0, 1])
    made.mark_deleted(0)
    made.add_items([[5.0, 5.0]], [7], replace_deleted=True)
    assert sorted(made.get_ids_list()) == [1, 7]
    assert made.get_max_elements() == 2


def test_more_than_there_are_is_padded():
    made = index("l2", 2)
    assert made.knn_query([[0.0, 0.0]], 3)[0].tolist() == [[-1, -1, -1]]
    made.add_items([[0.0, 1.0]], [9])
    labels, distances = made.knn_query([[0.0, 0.0]], 3)
    assert labels.tolist() == [[9, -1, -1]]
    assert distances.tolist() == [[1.0, np.inf, np.inf]]


def damaged(tmp_path, change):
    made = index("l2", 4)
    made.add_items(clustered(50, 4))
    made.save_index(tmp_path / "index")
    content = bytearray((tmp_path / "index").read_bytes())
    (tmp_path / "index").write_bytes(change(content))
    Index("l2", 4).load_index(tmp_path / "index")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda i, _: i.add_items([[1.0, 2.0]]), "must have 4 columns"),
        (lambda i, _: i.add_items([[1.0, 2.0, np.nan, 4.0]]), "row 0"),
        (lambda i, _: i.add_items(np.ones((1, 4), complex)), "they are complex"),
        (lambda i, _: i.add_items([[1.0, 2.0], [1.0]]), "must be an array of numbers with 4 columns"),
        (lambda i, _: i.add_items(np.eye(4), [1, 2, 2, 3]), "2 comes more than once"),
        (lambda i, _: i.add_items(np.eye(4), [1, 2]), "one for each of the 4"),
        (lambda i, _: i.knn_query(np.ones((1, 3))), "must have 4 columns"),
        (lambda i, _: i.knn_query(np.ones((1, 4)), k=0), "k must be"),
        (lambda i, _: i.mark_deleted(77), "77"),
        (lambda i, _: i.delete([77]), "77"),
        (lambda i, _: Index("euclid", 4), "space must be one of"),
        (lambda i, _: Index("l2", 4).add_items(np.eye(4)), "init_index"),
        (lambda i, path: i.load_index(path / "nothing"), "nothing"),
        (lambda i, path: damaged(path, lambda c: c[:-40]), "index"),
        (lambda i, path: damaged(path, lambda c: c[:200] + bytes([c[200] ^ 255]) + c[201:]), "index"),
        (lambda i, path: damaged(path, lambda c: b"not an index at all"), "index"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, act, words):
    with pytest.raises(UserError, match=words):
        act(index("l2", 4), tmp_path)


def test_an_error_leaves_the_index_as_it_was():
    made = index("l2", 4)
    made.add_items(np.eye(4))
    before = state(made)
    with pytest.raises(UserError):
        made.add_items([[1.0, np.inf, 0.0, 0.0]], [0])
    with pytest.raises(UserError):
        made.delete([0, 99])
    assert state(made) == before
