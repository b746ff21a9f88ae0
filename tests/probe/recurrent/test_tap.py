import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from support import reference
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

from gradmedic.probe.recurrent import tap as recurrent
from gradmedic.probe.recurrent.batch_rows import Rows
from gradmedic.probe.recurrent.tap import RecurrentReading, RecurrentTap

T, B, F, H = 9, 5, 4, 6
KINDS: dict[str, tuple[Callable[..., nn.RNNBase], dict[str, Any]]] = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "projected": (nn.LSTM, {"proj_size": 3}),
    "gru": (nn.GRU, {}),
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "without bias": {"bias": False},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "all of it": {"num_layers": 2, "bidirectional": True, "batch_first": True},
}


@pytest.fixture
def tap() -> Iterator[RecurrentTap]:
    torch.manual_seed(0)
    tap = RecurrentTap()
    tap.install()
    yield tap
    tap.close()
    assert not hooks._global_forward_hooks


def made(kind: str, **options: Any) -> nn.RNNBase:
    make, own = KINDS[kind]
    return make(F, H, **own, **options).double()


def flat(output: Any) -> tuple[Tensor, Tensor, Tensor]:
    out, state = output
    h, c = state if isinstance(state, tuple) else (state, state * 0)
    return out, h, c


def only(tap: RecurrentTap) -> RecurrentReading:
    (reading,) = tap.readings()
    assert tap.notes == []
    return reading


def given(rnn: nn.RNNBase, h: Tensor, c: Tensor) -> Any:
    return (h, c) if rnn.mode == "LSTM" else h


def states(rnn: nn.RNNBase, rows: int) -> tuple[Tensor, Tensor]:
    each = rnn.num_layers * (1 + rnn.bidirectional)
    h = torch.randn(each, rows, rnn.proj_size or rnn.hidden_size).double()
    return h, torch.randn(each, rows, rnn.hidden_size).double()


def expected(grads: reference.Hidden, reading: RecurrentReading) -> list[float]:
    return [reference.rms([grad]) for grad in grads[reading.layer, reading.direction]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 5, T - 1])
def test_a_profile_is_what_splitting_the_fused_call_there_shows(tap: RecurrentTap, kind: str, steps: int) -> None:
    rnn, x = made(kind), torch.randn(T, B, F).double()

    def loss(output: Any) -> Tensor:
        out, h, c = flat(output)
        return out[-1].pow(2).mean() + h.sin().sum() + c.cos().mean()

    torch.autograd.backward(loss(rnn(x)))
    reading = only(tap)
    with torch.no_grad():
        _, h, c = flat(rnn(x[:steps]))
    h, c = h.requires_grad_(), c.requires_grad_()
    torch.autograd.backward(loss(rnn(x[steps:], given(rnn, h, c))))
    assert h.grad is not None
    assert reading.profile[steps - 1] == pytest.approx(reference.rms([h.grad]), rel=1e-6)
    assert reading.times == tuple(range(T))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("start", ["from zero", "from a state", "unbatched"])
def test_a_profile_is_that_of_the_unrolled_net(tap: RecurrentTap, kind: str, shape: str, start: str) -> None:
    rnn = made(kind, **SHAPES[shape])
    rows = 1 if start == "unbatched" else B
    x, (h, c) = torch.randn(T, rows, F).double(), states(rnn, rows)
    h, c = (h, c) if start == "from a state" else (h * 0, c * 0)
    if start == "from a state":
        output = rnn(x.transpose(0, 1) if rnn.batch_first else x, hx=given(rnn, h, c))
    elif start == "unbatched":
        output = rnn(x[:, 0])
    else:
        output = rnn(input=x.transpose(0, 1) if rnn.batch_first else x)
    results = flat(output)
    grads = [torch.randn_like(result) for result in results]
    torch.autograd.backward(results, grads)
    reading = only(tap)
    if start == "unbatched":
        grads = [grad.unsqueeze(1) for grad in grads]
    elif rnn.batch_first:
        grads[0] = grads[0].transpose(0, 1)
    grads[2] = grads[2] if rnn.mode == "LSTM" else c * 0
    hidden = reference.through_time(rnn, x, h, c, (grads[0], grads[1], grads[2]))
    assert reading.profile == pytest.approx(expected(hidden, reading), rel=1e-6)
    assert reading.times == tuple(range(T))[:: -1 if reading.direction else 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", ["plain", "all of it"])
@pytest.mark.parametrize("sorted_by_user", [True, False])
def test_packed_rows_count_while_they_last(tap: RecurrentTap, kind: str, shape: str, sorted_by_user: bool) -> None:
    lengths = [9, 7, 7, 3, 1] if sorted_by_user else [3, 9, 1, 7, 7]
    rnn = made(kind, **(SHAPES[shape] | {"batch_first": False}))
    x, (h, c) = torch.randn(T, B, F).double(), states(rnn, B)
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=sorted_by_user)
    out, h_n, c_n = flat(rnn(packed, given(rnn, h, c)))
    torch.autograd.backward(out.data.sin().sum() + h_n.pow(2).sum() + c_n.cos().sum())
    reading = only(tap)

    found: list[list[Tensor]] = [[] for _ in range(T)]
    for row, steps in enumerate(lengths):
        part = [x[:steps, row : row + 1], h[:, row : row + 1].contiguous(), c[:, row : row + 1].contiguous()]
        out, h_n, c_n, hidden = reference.unrolled(rnn, *part)
        loss = out.sin().sum() + h_n.pow(2).sum() + (c_n.cos().sum() if rnn.mode == "LSTM" else 0)
        ours = hidden[reading.layer, reading.direction]
        for step, grad in enumerate(torch.autograd.grad(loss, ours)):
            found[steps - 1 - step if reading.direction else step].append(grad)
    profile = [reference.rms(grads) for grads in found][:: -1 if reading.direction else 1]
    assert reading.profile == pytest.approx(profile, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_calls_that_take_up_each_other_s_state_are_one_sequence(tap: RecurrentTap, kind: str) -> None:
    rnn, x = made(kind, num_layers=2), torch.randn(T, B, F).double()
    out, _ = rnn(x)
    out.pow(2).sum().backward()
    whole = only(tap)
    state: Any = None
    loss: Any = 0.0
    for x_t in x:
        out, state = rnn(x_t.unsqueeze(0), state)
        state = tuple(s * 1.0 for s in state) if isinstance(state, tuple) else state * 1.0
        loss = loss + out.pow(2).sum()
    loss.backward()
    assert (stepwise := only(tap)).profile == pytest.approx(whole.profile, rel=1e-6)
    assert stepwise.times == whole.times
    assert stepwise.gates == pytest.approx(whole.gates)


def test_independent_calls_are_read_one_by_one(tap: RecurrentTap) -> None:
    rnn, x = made("gru"), torch.randn(T, B, F).double()
    (rnn(x)[0].sum() + rnn(x * 2)[0].sum()).backward()
    first, second = tap.readings()
    assert first.profile != second.profile
    assert first.sequence < second.sequence


def test_rows_of_a_large_batch_are_sampled_and_long_profiles_thinned(tap: RecurrentTap) -> None:
    rnn, x = made("lstm"), torch.randn(400, 3, F).double().repeat(1, 30, 1)
    rnn(x)[0][-1].sum().backward()
    reading = only(tap)
    assert len(reading.profile) == len(reading.times) == 64
    assert reading.times[0] == 0
    assert reading.times[-1] == 399
    assert reading.profile[0] < 1e-30 < 1e-3 < reading.profile[-1]


def saturate(rnn: nn.RNNBase, gate: int, bias: float) -> None:
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            parameter.mul_(0.01)
            if "bias_ih" in name:
                parameter[gate * H : (gate + 1) * H] = bias


@pytest.mark.parametrize(
    ("kind", "gate", "name"),
    [
        *[("lstm", 0, "input"), ("lstm", 1, "forget"), ("lstm", 2, "cell"), ("lstm", 3, "output")],
        *[("gru", 0, "reset"), ("gru", 1, "update"), ("gru", 2, "candidate"), ("tanh", 0, "tanh")],
    ],
)
def test_gates_that_are_pushed_to_an_end_are_saturated(tap: RecurrentTap, kind: str, gate: int, name: str) -> None:
    rnn = made(kind)
    saturate(rnn, gate, 9.0)
    rnn(torch.randn(T, B, F).double())[0].sum().backward()
    reading = only(tap)
    assert reading.gates == {key: float(key == name) for key in reading.gates}
    assert reading.saturated == pytest.approx(1 / len(reading.gates))
    if kind == "lstm":
        assert reading.forget_mean == pytest.approx(1.0 if name == "forget" else 0.5, abs=0.02)
    else:
        assert reading.forget_mean is None


def trained(watched: bool) -> list[Tensor]:
    torch.manual_seed(3)
    net = nn.ModuleList([nn.LSTM(F, H, 2, dropout=0.3, bidirectional=True), nn.GRU(2 * H, H)])
    optimizer = torch.optim.Adam(net.parameters())
    tap = RecurrentTap()
    for _ in range(8):
        if watched:
            tap.install()
        optimizer.zero_grad()
        hidden, _ = net[0](torch.randn(T, B, F))
        out, h = net[1](hidden.relu_())
        (out.pow(2).mean() + h.sum()).backward()
        if watched:
            assert len(tap.readings()) == 2
            tap.close()
        optimizer.step()
    if watched:
        assert tap.notes == []
    return [*(p.detach() for p in net.parameters()), torch.get_rng_state()]


def test_training_is_the_same_bit_for_bit() -> None:
    assert all(torch.equal(a, b) for a, b in zip(trained(True), trained(False), strict=True))


def test_nothing_of_the_user_s_graph_is_kept(tap: RecurrentTap) -> None:
    rnn, x = nn.LSTM(F, H), torch.randn(T, B, F, requires_grad=True)
    for backward in (True, False):
        mark = x * 2
        out, (h, _) = rnn(mark)
        gone = [weakref.ref(t) for t in (mark, out, h)]
        if backward:
            out.sum().backward(retain_graph=True)
            assert len(tap.readings()) == 1
            assert not out._backward_hooks
        del mark, out, h, _
        gc.collect()
        assert [ref() for ref in gone] == [None] * 3


def test_only_calls_that_a_backward_pass_has_reached_are_read(tap: RecurrentTap) -> None:
    rnn, x = nn.GRU(F, H), torch.randn(T, B, F)
    with torch.no_grad():
        rnn(x)
    waiting = rnn(x)[0].sum()
    assert tap.readings() == []
    waiting.backward()
    assert len(tap.readings()) == 1
    assert tap.readings() == []


def test_calls_that_no_backward_pass_reaches_are_forgotten_in_time(tap: RecurrentTap) -> None:
    rnn = nn.GRU(F, H)
    for _ in range(2 * recurrent.PATIENCE):
        rnn(torch.randn(T, B, F))
        nn.GRU(F, H)(torch.randn(T, B, F))[0].sum().backward()
        assert len(tap.readings()) == 1
    assert len(tap._chains) <= recurrent.PATIENCE


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_call_that_a_checkpoint_repeats_is_not_read_twice(tap: RecurrentTap, reentrant: bool) -> None:
    rnn, x = nn.GRU(F, H), torch.randn(T, B, F, requires_grad=True)
    out = checkpoint(lambda x: rnn(x)[0], x, use_reentrant=reentrant)
    out.sum().backward()
    assert len(tap.readings()) == (0 if reentrant else 1)


def test_a_second_backward_pass_counts_by_itself(tap: RecurrentTap) -> None:
    rnn, x = made("gru"), torch.randn(T, B, F).double()
    out, h = rnn(x)
    (h.sum() * 1000).backward(retain_graph=True)
    out.sum().backward()
    second = only(tap)
    rnn(x)[0].sum().backward()
    assert second.profile == pytest.approx(only(tap).profile)


def test_reparametrized_weights_are_those_of_the_call(tap: RecurrentTap) -> None:
    rnn = weight_norm(made("lstm"), "weight_hh_l0")
    x = torch.randn(T, B, F).double()
    out, _ = rnn(x)
    grad = torch.randn_like(out)
    out.backward(grad)
    reading = only(tap)
    zero = torch.zeros(1, B, H).double()
    hidden = reference.through_time(rnn, x, zero, zero, (grad, zero, zero))
    assert reading.profile == pytest.approx(expected(hidden, reading), rel=1e-6)


def test_autocast_is_replayed_in_single_precision(tap: RecurrentTap) -> None:
    rnn, x = nn.LSTM(F, H), torch.randn(T, B, F)
    with torch.autocast("cpu", torch.bfloat16):
        try:
            out, _ = rnn(x)
        except RuntimeError as error:
            pytest.skip(f"this processor has no LSTM in bfloat16: {error}")
        out.float().pow(2).sum().backward()
        low = only(tap)
    rnn(x)[0].pow(2).sum().backward()
    assert low.profile == pytest.approx(only(tap).profile, rel=0.05)


def test_gradients_that_underflow_in_a_square_are_measured(tap: RecurrentTap) -> None:
    rnn = nn.RNN(F, H)
    (rnn(torch.randn(2, B, F))[0].sum() * 1e-30).backward()
    assert only(tap).profile[-1] == pytest.approx(1e-30)


def test_dropout_between_layers_is_owned_up_to(tap: RecurrentTap) -> None:
    rnn = nn.GRU(F, H, 2, dropout=0.5)
    rnn(torch.randn(T, B, F))[0].sum().backward()
    (reading,) = tap.readings()
    assert "dropout" in reading.notes[0]
    rnn.eval()(torch.randn(T, B, F))[0].sum().backward()
    assert only(tap).notes == ()


def test_weights_that_changed_before_the_replay_are_owned_up_to(tap: RecurrentTap) -> None:
    rnn = nn.GRU(F, H)
    rnn(torch.randn(T, B, F))[0].sum().backward()
    torch.optim.SGD(rnn.parameters(), 0.1).step()
    (reading,) = tap.readings()
    assert "changed" in reading.notes[0]


def test_what_would_take_too_long_is_left_out_with_a_note(tap: RecurrentTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrent, "MOST_STEPS", T)
    nn.GRU(F, H)(torch.randn(T + 1, B, F))[0].sum().backward()
    assert tap.readings() == []
    assert tap.notes == [f"{T + 1} steps of GRU are too many to replay: no gradient per step"]


@pytest.mark.parametrize(("where", "part"), [(recurrent, "call_of"), (recurrent, "replay"), (Rows, "steps")])
def test_a_failure_of_ours_is_a_note(tap: RecurrentTap, monkeypatch: pytest.MonkeyPatch, where: Any, part: str) -> None:
    def fails(*args: Any) -> Any:
        raise RuntimeError("broken on purpose")

    for owner in where.__subclasses__() if isinstance(where, type) else [where]:
        monkeypatch.setattr(owner, part, fails)
    rnn = nn.GRU(F, H)
    rnn(torch.randn(T, B, F))[0].sum().backward()
    assert rnn.weight_hh_l0.grad is not None
    assert tap.readings() == []
    assert "broken on purpose" in tap.notes[0]


def test_a_failure_in_the_backward_pass_is_a_note(tap: RecurrentTap, monkeypatch: pytest.MonkeyPatch) -> None:
    rnn = nn.GRU(F, H)
    out, _ = rnn(torch.randn(T, B, F))
    monkeypatch.setattr("gradmedic.probe.recurrent.batch_rows.PlainRows.steps", None)
    out.sum().backward()
    assert rnn.weight_hh_l0.grad is not None
    assert tap.readings() == []
    assert "a gradient of GRU was not read" in tap.notes[0]


def test_installing_twice_does_not_stack(tap: RecurrentTap) -> None:
    tap.install()
    nn.GRU(F, H)(torch.randn(T, B, F))[0].sum().backward()
    assert len(tap.readings()) == 1
