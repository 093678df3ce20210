"""States: they are values. Whatever is done to one, those it came from stay as they were."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.gru import Gru
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.transformer import Transformer

DIM = 16


def made(**said):
    torch.manual_seed(2)
    model = Transformer(DIM, 3, 2, **said).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8.0 if weight.ndim == 2 else 1.0)
    return model


def inputs(batch, count, seed=0):
    return torch.randn(batch, count, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_agents_that_come_leave_and_miss_packets_each_get_what_they_would_get_alone(data):
    """Each row of a batch that changes all the time is replayed by itself at the end."""
    window = data.draw(st.sampled_from([0, 0, 3]))
    model = made(windows=window)
    streams, state, agents, number = {}, model.init_state(0), [], 0
    with torch.no_grad():
        for _ in range(data.draw(st.integers(1, 8))):
            act = data.draw(st.sampled_from(["join", "leave", "read", "read", "miss", "shuffle", "keep", "merge"]))
            if act == "join":
                count = data.draw(st.integers(1, 2))
                state = state.append(count)
                agents += [number + i for i in range(count)]
                streams.update({number + i: [] for i in range(count)})
                number += count
            elif act == "leave" and agents:
                stay = [row for row in range(len(agents)) if data.draw(st.booleans())]
                state, agents = state.select(stay), [agents[row] for row in stay]
            elif act == "shuffle":
                order = data.draw(st.permutations(range(len(agents))))
                state, agents = state.reorder(torch.tensor(order, dtype=torch.int64)), [agents[row] for row in order]
            elif act == "keep":
                state = model.load_state(state.state_dict())
            elif act == "merge":
                other = inputs(1, 2, seed=number + 50)
                state = state.append(model(other)[1])
                agents.append(number)
                streams[number] = [(other[0], torch.ones(2, dtype=torch.bool), None)]
                number += 1
            elif act in ("read", "miss") and agents:
                count = data.draw(st.integers(0, 4))
                x = inputs(len(agents), count, seed=data.draw(st.integers(0, 99)))
                mask = None
                if act == "miss":
                    mask = torch.tensor(
                        np.array(
                            data.draw(
                                st.lists(st.booleans(), min_size=len(agents) * count, max_size=len(agents) * count)
                            )
                        ).reshape(len(agents), count),
                        dtype=torch.bool,
                    )
                y, state = model(x, state, mask)
                for row, agent in enumerate(agents):
                    streams[agent].append(
                        (x[row], torch.ones(count, dtype=torch.bool) if mask is None else mask[row], y[row])
                    )
        for agent in agents:
            pieces = streams[agent]
            if not pieces:
                continue
            x, mask = torch.cat([p[0] for p in pieces]), torch.cat([p[1] for p in pieces])
            alone, _ = model(x[None], None, mask[None])
            at = 0
            for piece in pieces:
                if piece[2] is not None:
                    close(piece[2], alone[0, at : at + len(piece[0])])
                at += len(piece[0])
        assert state.batch == len(agents)
        assert state.seen.tolist() == [sum(len(p[0]) for p in streams[agent]) for agent in agents]


def test_two_futures_of_one_state_do_not_write_over_each_other():
    model, x = made(), inputs(2, 6)
    with torch.no_grad():
        _, root = model(x[:, :3], model.init_state(2, room=50))
        left, _ = model(x[:, 3:], root)
        right, _ = model(-x[:, 3:], root)
        again, _ = model(x[:, 3:], root)
    close(left, again)
    assert (left - right).abs().max() > 1e-3


def test_a_cropped_state_is_the_earlier_state():
    model, x = made(), inputs(2, 9)
    with torch.no_grad():
        _, early = model(x[:, :4])
        _, late = model(x[:, 4:], early)
        back = late.crop(4)
        assert back.seen.tolist() == [4, 4]
        assert back.nbytes() == early.nbytes()
        close(model(x[:, 4:7], back)[0], model(x[:, 4:7], early)[0])


def test_rows_that_joined_late_are_cropped_each_to_its_own_length():
    model, x = made(), inputs(3, 9)
    with torch.no_grad():
        _, state = model(x[:2, :4])
        _, state = model(x[:, 4:9], state.append(1))
        back = state.crop(5)
        assert back.seen.tolist() == [5, 5, 5]
        y, _ = model(x[:, :1], back)
        alone, _ = model(torch.cat([x[:1, :5], x[:1, :1]], 1))
        late, _ = model(torch.cat([x[2:, 4:9], x[2:, :1]], 1))
    close(y[:1], alone[:, -1:])
    close(y[2:], late[:, -1:])


def test_what_a_window_has_dropped_cannot_be_cropped_back_to():
    model = made(windows=3)
    with torch.no_grad():
        _, state = model(inputs(1, 6))
        _, state = model(inputs(1, 1), state)
        with pytest.raises(UserError, match="window of 3"):
            state.crop(2)


def test_a_recurrent_state_says_that_it_cannot_be_cropped():
    model = Gru(DIM, 1)
    _, state = model(inputs(1, 5).float())
    with pytest.raises(UserError, match="recurrent"):
        state.crop(2)
    assert state.crop(5) is state


def test_a_window_holds_no_more_than_it_looks_at():
    model = made(windows=4)
    with torch.no_grad():
        _, state = model(inputs(1, 50))
        for t in range(5):
            _, state = model(inputs(1, 1, seed=t), state)
    assert len(state.cache("layer0")) == 4
    assert state.nbytes() == 3 * 2 * 4 * DIM * 8


def test_time_between_positions_turns_keys_further():
    model, x = made(), inputs(1, 5)
    even, _ = model(x, dt=torch.full((1, 5), 2.0, dtype=torch.float64))
    plain, _ = model(x)
    assert (even - plain).abs().max() > 1e-3
    close(model(x, dt=1.0)[0], plain)


def test_gradients_flow_back_through_a_state_until_it_is_detached():
    model, x = made(), inputs(1, 6)
    whole = model(x)[0][:, 3:].square().sum()
    _, state = model(x[:, :3])
    pieces = model(x[:, 3:], state)[0].square().sum()
    for a, b in zip(
        torch.autograd.grad(whole, model.parameters()),
        torch.autograd.grad(pieces, model.parameters(), retain_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    cut = model(x[:, 3:], state.detach())[0].square().sum()
    weight = model.layers[0].key_value.weight
    assert (torch.autograd.grad(cut, weight)[0] - torch.autograd.grad(pieces, weight)[0]).abs().max() > 1e-6


def test_a_position_far_out_is_as_exact_as_one_near():
    """A million steps into a stream, 32-bit angles would be off by degrees."""
    model, x = made().float(), inputs(1, 4).float()
    near, _ = model(x)
    far = model.init_state(1)
    far = State(far.maker, far.seen + 1_000_000, far.clock + 1e6, 1_000_000, False, far.slots, far.notes)
    torch.testing.assert_close(model(x, far)[0], near, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda s: s.select([5]), "from 0 to 1"),
        (lambda s: s.select(torch.tensor([True])), "one entry for each of the 2 rows"),
        (lambda s: s.select(torch.tensor([0.5])), "whole numbers"),
        (lambda s: s.reorder([0]), "use select"),
        (lambda s: s.append(-1), "at least 0"),
        (lambda s: s.append(Gru(DIM, 1).init_state(1)), "of one model"),
        (lambda s: s.crop(-1), "at least 0"),
        (lambda s: State.load({"seen": s.seen}), "no complete state"),
    ],
)
def test_what_cannot_be_done_with_a_state_is_said(act, words):
    with pytest.raises(UserError, match=words):
        act(made()(inputs(2, 3))[1])
