"""The gradient at each time step is that of autograd, in the order of time, however the loop is written."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording

STEPS, BATCH, UNITS = 7, 5, 6

Loop = Callable[[Tensor], tuple[Tensor, list[Tensor]]]
"""Runs a recurrence and returns its last state, and all states."""


def rms(tensor: Tensor) -> float:
    return float(tensor.double().square().mean().sqrt())


def hand_written() -> tuple[nn.Module, Loop]:
    net = nn.ModuleDict({"w": nn.Linear(3, UNITS), "u": nn.Linear(UNITS, UNITS)})

    def loop(x: Tensor) -> tuple[Tensor, list[Tensor]]:
        h, before = torch.zeros(BATCH, UNITS), []
        for x_t in x:
            a = net["w"](x_t) + net["u"](h)
            before.append(a)
            h = torch.tanh(a)
        return h, before

    return net, loop


def fused(make: Callable[..., nn.RNNBase]) -> Callable[[], tuple[nn.Module, Loop]]:
    def made() -> tuple[nn.Module, Loop]:
        net = make(3, UNITS)

        def loop(x: Tensor) -> tuple[Tensor, list[Tensor]]:
            out, _ = net(x)
            return out[-1], [out]

        return net, loop

    return made


def cell(make: Callable[[int, int], nn.RNNCellBase]) -> Callable[[], tuple[nn.Module, Loop]]:
    def made() -> tuple[nn.Module, Loop]:
        net = make(3, UNITS)

        def loop(x: Tensor) -> tuple[Tensor, list[Tensor]]:
            h, states = None, []
            for x_t in x:
                h = net(x_t, h)
                states.append(h[0] if isinstance(h, tuple) else h)
            return states[-1], states

        return net, loop

    return made


KINDS = {
    "by hand": hand_written,
    "RNNCell": cell(nn.RNNCell),
    "LSTMCell": cell(nn.LSTMCell),
    "GRUCell": cell(nn.GRUCell),
    "RNN": fused(nn.RNN),
    "LSTM": fused(nn.LSTM),
    "GRU": fused(nn.GRU),
}


def step_of(kind: str, retained: list[Tensor] | None = None) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net, loop = KINDS[kind]()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    last, states = loop(torch.randn(STEPS, BATCH, 3))
    for state in states if retained is not None else ():
        state.retain_grad()
    last.square().sum().backward()  # type: ignore[no-untyped-call]
    if retained is not None:
        retained += [state.grad for state in states if state.grad is not None]
    optimizer.step()


def watched(kind: str) -> Recording:
    with Probe(recorder := Recorder({}), Settings(every=1)):
        step_of(kind)
    assert not recorder.recording().events_of("failure")
    return recorder.recording()


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_profile_with_one_entry_per_step_in_order_of_time(kind: str) -> None:
    capture = watched(kind).captures[0]
    assert capture.profiles
    for site, profile in capture.profiles.items():
        assert list(capture.times[site]) == list(range(STEPS))
        assert profile[-1] > profile[0] > 0  # the loss is at the end, and default weights shrink


def test_profile_of_a_loop_by_hand_is_the_gradient_behind_the_recurrent_weights() -> None:
    retained: list[Tensor] = []
    step_of("by hand", retained)
    profiles = watched("by hand").captures[0].profiles.values()
    expected = [rms(grad) for grad in retained]
    assert any(profile == pytest.approx(expected, rel=1e-5) for profile in profiles)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_profile_of_a_fused_kernel_is_that_of_its_cell(kind: str) -> None:
    retained: list[Tensor] = []
    step_of(f"{kind}Cell", retained)  # cells and one layer draw the same weights from the same seed
    (profile,) = watched(kind).captures[0].profiles.values()
    assert list(profile) == pytest.approx([rms(grad) for grad in retained], rel=1e-4)


def test_truncated_chunks_are_profiles_of_their_own_length() -> None:
    def loop() -> None:
        torch.manual_seed(0)
        net = nn.GRU(3, UNITS)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        h = torch.zeros(1, BATCH, UNITS)
        for _ in range(3):
            optimizer.zero_grad()
            out, h = net(torch.randn(STEPS, BATCH, 3), h.detach())
            out[-1].square().sum().backward()
            optimizer.step()

    with Probe(recorder := Recorder({}), Settings(every=1)):
        loop()
    for capture in recorder.recording().captures:
        (profile,) = capture.profiles.values()
        assert len(profile) == STEPS


def test_gates_that_are_stuck_are_told() -> None:
    def loop() -> None:
        torch.manual_seed(0)
        net = nn.LSTM(3, UNITS)
        with torch.no_grad():
            net.bias_ih_l0[UNITS : 2 * UNITS] = -30.0  # type: ignore[operator]
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        net(torch.randn(STEPS, BATCH, 3))[0][-1].square().sum().backward()
        optimizer.step()

    with Probe(recorder := Recorder({}), Settings(every=1)):
        loop()
    (columns,) = (c for c in recorder.recording().captures[0].sites.values() if "gate_forget" in c)
    assert columns["gate_forget"] == pytest.approx(1.0)
    assert columns["forget_mean"] < 1e-6
    assert columns["gate_input"] < 0.1
