"""SkipDecode: fewer layers for later positions, the same for the whole batch, with nothing to be worked out afterwards."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.generation import generate
from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer


@st.composite
def schedules(draw):
    layers = draw(st.integers(1, 12))
    warm_up = draw(st.integers(1, layers))
    least = draw(st.integers(warm_up, layers))
    most = draw(st.integers(least, layers))
    return ExitSchedule(
        layers, most, least, draw(st.integers(1, 30)), warm_up, draw(st.sampled_from(["top", "bottom"]))
    )


@given(schedules(), st.integers(0, 8))
def test_later_positions_run_through_a_part_of_the_layers_of_earlier_ones(schedule, prompt):
    sets = [set(schedule.active(t, prompt)) for t in range(prompt + schedule.horizon + 5)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(sets))
    assert all(len(s) == schedule.exit_at(t, prompt) for t, s in enumerate(sets))
    lasts = schedule.lasts(prompt)
    for t, active in enumerate(sets):
        assert active == {layer for layer, last in enumerate(lasts) if t < last}


@given(schedules())
def test_bottom_layers_always_run_and_so_do_top_ones(schedule):
    for t in (0, schedule.horizon // 2, schedule.horizon * 3):
        active = schedule.active(t)
        assert set(range(schedule.warm_up)) <= set(active)
        if schedule.keep == "top" and len(active) > schedule.warm_up:
            assert active[-1] == schedule.layers - 1


@pytest.mark.parametrize(
    ("layers", "times", "least", "most"), [(24, 2, 7, 17), (24, 3, 5, 11), (24, 4, 4, 8), (24, 5, 3, 7)]
)
def test_a_speed_up_is_layers_over_the_mean_of_the_layers_run(layers, times, least, most):
    schedule = ExitSchedule.of_speed(layers, times, horizon=200)
    assert (schedule.least, schedule.most) == (least, most)
    assert layers / schedule.mean_layers(200) == pytest.approx(times, rel=0.05)


def made(schedule, **said):
    torch.manual_seed(5)
    model = (
        TokenModel(Transformer(32, schedule.layers if schedule else 8, 4, schedule=schedule, **said), 40)
        .double()
        .eval()
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6.0 if weight.ndim == 2 else 1.0)
    return model


@settings(max_examples=25, deadline=None)
@given(schedules(), st.integers(0, 6), st.integers(1, 30))
def test_a_whole_sequence_at_once_gives_what_cached_decoding_gives(schedule, prompt, count):
    model = made(schedule)
    tokens = torch.randint(0, 40, (2, count), generator=torch.Generator().manual_seed(count))
    with torch.no_grad():
        whole, state = model(tokens, model.init_state(2, prompt=prompt))
        single, after = model.init_state(2, prompt=prompt), None
        found = []
        for t in range(count):
            y, single = model.step(tokens[:, t], single)
            found.append(y)
        after = single
    torch.testing.assert_close(whole, torch.stack(found, 1), rtol=0, atol=1e-10)
    lasts = schedule.lasts(prompt)
    assert [len(after.cache(f"layer{i}")) for i in range(schedule.layers)] == [min(count, last) for last in lasts]
    assert state.nbytes() == after.nbytes() == 2 * 2 * 32 * 8 * sum(min(count, last) for last in lasts)


def test_a_schedule_that_leaves_nothing_out_is_the_plain_model():
    plain, full = made(None), made(ExitSchedule(8, 8, 8, 10))
    tokens = torch.randint(0, 40, (2, 15))
    torch.testing.assert_close(plain(tokens)[0], full(tokens)[0], rtol=0, atol=0)


def test_keys_and_values_fall_as_the_work_does():
    schedule, count = ExitSchedule.of_speed(24, 2.0, 60), 60
    model = TokenModel(Transformer(16, 24, 2, schedule=schedule), 5).eval()
    plain = TokenModel(Transformer(16, 24, 2), 5).eval()
    tokens = torch.randint(0, 5, (1, count))
    share = model(tokens)[1].nbytes() / plain(tokens)[1].nbytes()
    assert share == pytest.approx(schedule.mean_layers(count) / 24, rel=1e-12)


def test_rows_that_join_late_follow_the_schedule_of_their_own_positions():
    model = made(ExitSchedule(8, 7, 3, 10))
    tokens = torch.randint(0, 40, (3, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        alone, _ = model(tokens[2:, :7])
        _, state = model(tokens[:2, :5])
        late, state = model(torch.cat([tokens[:2, 5:], tokens[2:, :7]]), state.append(1))
        whole, _ = model(tokens[:2])
    torch.testing.assert_close(late[2:], alone, rtol=0, atol=1e-10)
    torch.testing.assert_close(late[:2], whole[:, 5:], rtol=0, atol=1e-10)


def test_generation_counts_from_the_end_of_the_prompt():
    model = made(ExitSchedule(8, 8, 3, 6))
    prompt = torch.randint(0, 40, (2, 9))
    _, state = generate(model, prompt, 4)
    lengths = [len(state.cache(f"layer{i}")) for i in range(8)]
    assert max(lengths) == 12
    assert min(lengths) >= 9


def test_layers_that_share_find_the_entries_of_those_positions_that_ran_through_the_giver():
    model = made(ExitSchedule(8, 7, 3, 12), kv_map="0_0_2_2_4_4_6_6")
    tokens = torch.randint(0, 40, (2, 14))
    with torch.no_grad():
        whole, _ = model(tokens)
        state, found = model.init_state(2), []
        for t in range(14):
            y, state = model.step(tokens[:, t], state)
            found.append(y)
    torch.testing.assert_close(whole, torch.stack(found, 1), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"layers": 8, "most": 9, "least": 3, "horizon": 5}, "most <= layers"),
        ({"layers": 8, "most": 4, "least": 5, "horizon": 5}, "least <= most"),
        ({"layers": 8, "most": 4, "least": 2, "horizon": 0}, "horizon"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(said, words):
    with pytest.raises(UserError, match=words):
        ExitSchedule(**said)


def test_a_map_with_layers_above_and_a_schedule_are_refused_together():
    with pytest.raises(UserError, match="target bottom"):
        Transformer(32, 4, 4, kv_map="0_3_3_3", schedule=ExitSchedule(4, 3, 2, 5))


def test_a_mean_of_half_a_layer_is_kept():
    assert ExitSchedule.of_speed(12, 5.0, horizon=100).mean_layers(100) == pytest.approx(2.5, abs=0.05)
