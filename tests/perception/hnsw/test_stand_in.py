"""The index in the place of hnswlib's: the same calls with the same names, and what its users do with them."""

import concurrent.futures
import copy
import inspect
import pickle

import numpy as np
import pytest

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.exact import BFIndex
from v2xsim.perception.hnsw.index import Index

# hnswlib 0.8.0's methods with their parameters, as its documentation and its signatures name them.
INDEX_METHODS = {
    "init_index": ["max_elements", "M", "ef_construction", "random_seed", "allow_replace_deleted"],
    "add_items": ["data", "ids", "num_threads", "replace_deleted"],
    "knn_query": ["data", "k", "num_threads", "filter"],
    "get_items": ["ids", "return_type"],
    "get_ids_list": [],
    "set_ef": ["ef"],
    "set_num_threads": ["num_threads"],
    "save_index": ["path_to_index"],
    "load_index": ["path_to_index", "max_elements", "allow_replace_deleted"],
    "index_file_size": [],
    "mark_deleted": ["label"],
    "unmark_deleted": ["label"],
    "resize_index": ["new_size"],
    "get_max_elements": [],
    "get_current_count": [],
}
EXACT_METHODS = {
    "init_index": ["max_elements"],
    "add_items": ["data", "ids"],
    "knn_query": ["data", "k", "num_threads", "filter"],
    "delete_vector": ["label"],
    "set_num_threads": ["num_threads"],
    "save_index": ["path_to_index"],
    "load_index": ["path_to_index", "max_elements"],
    "get_max_elements": [],
    "get_current_count": [],
}
DATA = np.random.default_rng(7).random((600, 12), dtype=np.float32)
EVEN = np.arange(600) % 2 == 0


@pytest.fixture(params=[Index, BFIndex], ids=["graph", "exact"])
def kind(request):
    return request.param


def filled(kind, space="l2", data=DATA, ids=None, **said):
    made = kind(space=space, dim=data.shape[1])
    made.init_index(max_elements=len(data), **said)
    made.set_num_threads(2)
    made.add_items(data, ids)
    if kind is Index:
        made.set_ef(100)
    return made


def assert_alike(one, other):
    assert (one.space, one.dim, one.num_threads) == (other.space, other.dim, other.num_threads)
    assert one.get_ids_list() == other.get_ids_list()
    for a, b in zip(one.knn_query(DATA[:80], k=5), other.knn_query(DATA[:80], k=5), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("cls", "methods"), [(Index, INDEX_METHODS), (BFIndex, EXACT_METHODS)])
def test_every_method_of_hnswlib_is_there_with_its_parameters_in_their_order(cls, methods):
    for name, expected in methods.items():
        given = list(inspect.signature(getattr(cls, name)).parameters)[1:]
        assert given[: len(expected)] == expected, name


def test_properties_say_how_an_index_was_set_up():
    made = Index(space="cosine", dim=12)
    made.init_index(max_elements=700, M=20, ef_construction=150)
    made.add_items(DATA)
    said = (made.space, made.dim, made.M, made.ef_construction, made.max_elements, made.element_count, made.ef)
    assert said == ("cosine", 12, 20, 150, 700, 600, 10)
    assert repr(made) == "<v2xsim.Index(space='cosine', dim=12), 600 items>"


def test_ef_and_threads_can_be_set_like_attributes_and_nothing_else_can():
    made = filled(Index)
    made.ef, made.num_threads = 55, 3
    assert (made.ef, made.num_threads) == (55, 3)
    for name in ("space", "dim", "M", "ef_construction", "max_elements", "element_count"):
        with pytest.raises(AttributeError):
            setattr(made, name, 1)


def test_items_find_themselves_by_batches_and_one_by_one(kind):
    made = filled(kind)
    labels, distances = made.knn_query(DATA, k=1)
    np.testing.assert_array_equal(labels[:, 0], np.arange(600))
    np.testing.assert_allclose(distances, 0.0, atol=1e-6)
    for row in range(0, 600, 50):
        alone = made.knn_query(DATA[row], k=4)
        np.testing.assert_array_equal(alone[0][0], made.knn_query(DATA[row : row + 2], k=4)[0][0])


def test_a_loaded_index_goes_on_growing(kind, tmp_path):
    made = filled(kind, data=DATA[:300])
    made.save_index(path_to_index=str(tmp_path / "half.bin"))
    again = kind(space="l2", dim=12)
    again.load_index(path_to_index=str(tmp_path / "half.bin"), max_elements=600)
    assert again.get_current_count() == 300
    assert again.get_max_elements() == 600
    again.add_items(DATA[300:])
    np.testing.assert_array_equal(again.knn_query(DATA, k=1)[0][:, 0], np.arange(600))


def test_the_file_is_as_long_as_was_said(tmp_path):
    made = filled(Index)
    made.save_index(tmp_path / "index")
    assert (tmp_path / "index").stat().st_size == made.index_file_size()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("space", ["l2", "ip", "cosine"])
def test_copies_answer_alike_and_go_their_own_way(kind, space, copied):
    made = filled(kind, space)
    again = copied(made)
    assert_alike(made, again)
    again.add_items(DATA[:1] + 9.0, [9000])
    assert made.get_current_count() == 600
    assert again.get_current_count() == 601


@pytest.mark.parametrize("space", ["l2", "ip", "cosine"])
def test_files_answer_alike(kind, space, tmp_path):
    made = filled(kind, space, ids=np.arange(600)[::-1] * 7)
    made.save_index(tmp_path / "index")
    again = kind(space, 12)
    again.load_index(tmp_path / "index")
    assert_alike(made, again)


@pytest.mark.passes_wrong_types
def test_vectors_come_back_as_they_were_given(kind):
    made = filled(kind, ids=np.arange(100, 700))
    np.testing.assert_array_equal(made.get_items([100, 699, 350]), DATA[[0, 599, 250]])
    assert made.get_items([101], return_type="list") == DATA[1:2].tolist()
    np.testing.assert_array_equal(made.get_items(), DATA[np.array(made.get_ids_list()) - 100])
    with pytest.raises(UserError, match="return_type"):
        made.get_items([100], return_type="frame")


def test_the_answers_to_a_query_for_one_neighbour_can_be_passed_on_to_get_items(kind):
    made = filled(kind)
    labels, _ = made.knn_query(DATA[40:60], k=1)
    np.testing.assert_array_equal(made.get_items(labels), DATA[40:60])
    np.testing.assert_array_equal(made.get_items(labels.tolist()), DATA[40:60])
    assert made.get_items(np.zeros((0, 1), np.int64)).shape == (0, 12)


@pytest.mark.parametrize("scalar", [3, np.int64(3), np.array(3)], ids=["int", "numpy", "array"])
def test_items_are_asked_for_by_lists_and_never_by_one_number(kind, scalar):
    with pytest.raises(ValueError, match=r"ids must be a list of labels, got .*3.*get_items\(\[label\]\)"):
        filled(kind).get_items(scalar)


@pytest.mark.parametrize(
    ("ids", "refusal"),
    [
        ([[1, 2], [3, 4]], r"shape \(n,\) or \(n, 1\), got \(2, 2\)"),
        ([[[1]]], r"got \(1, 1, 1\)"),
        ([[1, 2], [3]], "list of labels"),
        ([[3], [-1]], "label -1 is not in the index"),
    ],
    ids=["two columns", "three axes", "ragged", "missing answer"],
)
def test_labels_of_another_shape_are_refused(kind, ids, refusal):
    with pytest.raises(UserError, match=refusal):
        filled(kind).get_items(ids)


@pytest.mark.parametrize("number", [0, -1])
def test_no_number_of_threads_means_all_processors(kind, number, monkeypatch, tmp_path):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(5), raising=False)
    batches = []
    started = concurrent.futures.ThreadPoolExecutor
    monkeypatch.setattr(
        "v2xsim.perception.hnsw.threads.ThreadPoolExecutor", lambda count: batches.append(count) or started(count)
    )
    made = filled(kind)
    expected = made.knn_query(DATA, k=3, num_threads=1)
    made.set_num_threads(number)
    assert made.num_threads == number
    made.save_index(tmp_path / "index")
    again = kind("l2", 12)
    again.load_index(tmp_path / "index")
    for asked in (made, again):
        for a, b in zip(expected, asked.knn_query(DATA, k=3), strict=True):
            np.testing.assert_array_equal(a, b)
    made.knn_query(DATA, num_threads=3)
    made.num_threads = 2
    made.knn_query(DATA, num_threads=number)
    assert batches == [5, 5, 3, 2]


@pytest.mark.parametrize("number", [-2, 1025])
def test_impossible_numbers_of_threads_are_refused(kind, number):
    made = filled(kind)
    for change in (made.set_num_threads, lambda count: made.knn_query(DATA, num_threads=count)):
        with pytest.raises(UserError, match="num_threads must be a whole number from -1 to 1024"):
            change(number)


def test_the_cosine_gives_unit_vectors_back(kind):
    length = np.linalg.norm(DATA, axis=1, keepdims=True)
    np.testing.assert_allclose(filled(kind, "cosine").get_items(range(600)), DATA / length, rtol=1e-6)


@pytest.mark.parametrize(
    ("space", "expected"), [("l2", [1.0, 4.0, 9.0]), ("ip", [-3.0, -2.0, 0.0]), ("cosine", [0.0, 0.0, 1.0])]
)
def test_distances_are_those_of_the_spaces(kind, space, expected):
    """By hand: the query (1, 0) against (2, 0), (3, 0), and (1, 3) or, where length counts for nothing, (0, 3)."""
    third = [1.0, 3.0] if space != "cosine" else [0.0, 3.0]
    points = {"l2": [[2.0, 0.0], [3.0, 0.0], third], "ip": [[4.0, 0.0], [3.0, 0.0], third]}
    made = filled(kind, space, np.array(points.get(space, [[2.0, 0.0], [3.0, 0.0], third]), np.float32))
    np.testing.assert_allclose(made.knn_query([[1.0, 0.0]], k=3)[1][0], expected, atol=1e-6)


@pytest.mark.parametrize("wanted", [lambda label: label % 2 == 0, EVEN], ids=["function", "booleans"])
def test_a_filter_lets_half_of_the_labels_through(kind, wanted):
    made = filled(kind)
    labels, _ = made.knn_query(DATA, k=3, filter=wanted)
    assert (labels % 2 == 0).all()
    np.testing.assert_array_equal(labels[::2, 0], np.arange(0, 600, 2))


def test_a_filter_can_differ_from_query_to_query(kind):
    made = filled(kind)
    labels, _ = made.knn_query(DATA[:2], k=50, filter=np.stack([EVEN, ~EVEN]))
    assert (labels[0] % 2 == 0).all()
    assert (labels[1] % 2 == 1).all()


def test_marked_items_hide_until_they_are_brought_back():
    made = filled(Index)
    for label in range(0, 600, 2):
        made.mark_deleted(label)
    labels, _ = made.knn_query(DATA, k=2)
    assert (labels % 2 == 1).all()
    with pytest.raises(UserError, match="marked as deleted"):
        made.get_items([0])
    for label in range(0, 600, 2):
        made.unmark_deleted(label)
    np.testing.assert_array_equal(made.knn_query(DATA, k=1)[0][:, 0], np.arange(600))


def test_new_items_take_the_room_of_marked_ones_and_only_where_that_is_allowed(tmp_path):
    made = filled(Index, data=DATA[:300], allow_replace_deleted=True)
    for label in range(100, 200):
        made.mark_deleted(label)
    made.save_index(tmp_path / "index")
    for again in (made, Index("l2", 12)):
        if again is not made:
            again.load_index(tmp_path / "index", allow_replace_deleted=True)
        again.add_items(DATA[300:400], np.arange(300, 400), replace_deleted=True)
        assert (again.get_current_count(), again.get_max_elements()) == (300, 300)
        again.set_ef(100)
        labels, _ = again.knn_query(DATA[300:400], k=1)
        np.testing.assert_array_equal(labels[:, 0], np.arange(300, 400))
        assert not set(range(100, 200)) & set(again.get_ids_list())
    with pytest.raises(UserError, match="allow_replace_deleted"):
        filled(Index).add_items(DATA[:1], [0], replace_deleted=True)


def test_a_marked_label_that_is_added_again_comes_back_with_its_new_vector():
    made = filled(Index, allow_replace_deleted=True)
    made.mark_deleted(3)
    made.add_items(DATA[3:4] + 5.0, [3])
    assert (made.knn_query(DATA[3:4] + 5.0, k=1)[0].tolist(), made.get_current_count()) == ([[3]], 600)


@pytest.mark.parametrize("ids", [[0.5], ["7"], [-1], [2**63]], ids=str)
def test_labels_that_are_no_whole_numbers_are_refused(kind, ids):
    made = filled(kind)
    with pytest.raises(UserError, match="ids must be"):
        made.add_items(DATA[:1], ids)
    assert made.get_current_count() == 600


@pytest.mark.parametrize(("space", "dim"), [("ip", 12), ("cosine", 12), ("l2", 11)])
def test_a_file_of_another_space_or_size_is_refused(kind, space, dim, tmp_path):
    filled(kind).save_index(tmp_path / "index")
    with pytest.raises(UserError, match="space and dim"):
        kind(space=space, dim=dim).load_index(tmp_path / "index")


def test_the_length_of_a_query_does_not_matter_to_the_cosine(kind):
    made = filled(kind, space="cosine")
    for one, other in zip(made.knn_query(DATA[:9], k=3), made.knn_query(17.0 * DATA[:9], k=3), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_known_label_gets_its_new_vector(kind):
    made = filled(kind)
    made.add_items(DATA[:10] + 5.0, np.arange(10))
    assert made.get_current_count() == 600
    np.testing.assert_array_equal(made.knn_query(DATA[:10] + 5.0, k=1)[0][:, 0], np.arange(10))


def test_room_can_be_made_and_not_taken_away_from_items():
    made = filled(Index)
    made.resize_index(1000)
    assert made.get_max_elements() == 1000
    made.resize_index(600)
    made.add_items(DATA[:1] + 3.0, [600])
    assert made.get_current_count() == 601
    with pytest.raises(UserError, match="new_size"):
        made.resize_index(600)


def test_a_vector_taken_out_of_the_exact_index_is_gone():
    made = filled(BFIndex)
    made.delete_vector(3)
    assert made.get_current_count() == 599
    assert 3 not in made.knn_query(DATA[3:4], k=599)[0]
    with pytest.raises(UserError, match="label 3"):
        made.delete_vector(3)


def test_the_graph_finds_what_comparing_all_finds():
    graph, exact = filled(Index, M=16, ef_construction=200), filled(BFIndex)
    found, true = (made.knn_query(DATA[:200] + 0.01, k=10)[0] for made in (graph, exact))
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found.tolist(), true.tolist(), strict=True)]) > 9.95
