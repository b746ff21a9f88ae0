"""Whatever makes the first inf or NaN is named at its very step, captured or not, with the user's line."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event, Recording

BAD_AT = 7
"""The step at which it happens; with `every=1000` only step 0 is read whole."""

Net = Callable[[Tensor], Tensor]
Case = Callable[[Net, Tensor, bool], Tensor]


def log_of_zero(net: Net, x: Tensor, bad: bool) -> Tensor:
    p = net(x).exp()
    q = p * (0.0 if bad else 1.0)
    return q.log().mean()  # HERE


def log_of_negative(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x).exp()
    y = y - (1e6 if bad else -1.0)
    return torch.log(y).mean()  # HERE


def sqrt_of_negative(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x).square() + (-100.0 if bad else 1.0)
    return torch.sqrt(y).mean()  # HERE


def slope_of_sqrt_at_zero(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x) * (0.0 if bad else 1.0)
    return torch.sqrt(y.square()).mean()  # HERE


def division_by_zero(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x)
    size = y.square().sum() * (0.0 if bad else 1.0)
    return ((y + 3) / size).mean()  # HERE


def zero_over_zero(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x) * (0.0 if bad else 1.0)
    z = y / (y.detach().abs().sum() + (0 if bad else 1))  # HERE
    return z.square().mean()


def division_by_a_constant_zero(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x)
    return (y / (0.0 if bad else 1.0)).square().mean()  # HERE


def exp_overflow(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x) * (1e4 if bad else 1.0)
    return torch.exp(y.abs()).mean()  # HERE


def own_softmax_overflow(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x).abs() * (1e4 if bad else 1.0) + 1
    e = torch.exp(y)  # HERE
    p = e / e.sum(1, keepdim=True)
    return -torch.log(p[:, 0]).mean()


def slope_of_acos_at_one(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = torch.tanh(net(x)) * (0.0 if bad else 0.5) + (1.0 if bad else 0.1)
    return torch.acos(y).mean()  # HERE


def acos_beyond_one(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = torch.tanh(net(x)) + (1.5 if bad else 0.0)
    return torch.acos(y * 0.9).mean()  # HERE


def slope_of_pow_at_zero(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x).square() * (0.0 if bad else 1.0) + (0.0 if bad else 1.0)
    return y.pow(0.5).mean()  # HERE


def pow_of_negative(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x).square() + (-100.0 if bad else 1.0)
    root: Tensor = (y**0.5).mean()  # HERE
    return root


def spread_of_one_sample(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x)
    return y.std(0, correction=8 if bad else 1).mean()  # HERE


def rsqrt_of_zero(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x).square().sum(1) * (0.0 if bad else 1.0)
    return torch.rsqrt(y).mean()  # HERE


def masked_softmax_row(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x)
    mask = torch.zeros_like(y, dtype=torch.bool)
    mask[0, : 4 if bad else 2] = True
    p = torch.softmax(y.masked_fill(mask, float("-inf")), 1)  # HERE
    return p.square().mean()


def float16_overflow(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = (net(x).abs() + 1).to(torch.float16)
    y = y * (1e4 if bad else 1.0)
    y = y * 30.0  # HERE
    return y.float().mean()


def float32_overflow(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x) * (1e25 if bad else 1.0)
    return y.square().mean()  # HERE


def matmul_overflow(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x) * (1e25 if bad else 1.0)
    z = y @ y.t()  # HERE
    return torch.tanh(z).mean() + (z - z).mean()  # which is NaN in whatever order the product was summed


def cosh_overflow(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x) * (1e5 if bad else 1.0)
    return torch.cosh(y).mean()  # HERE


def norm_of_zeros_divides(net: Net, x: Tensor, bad: bool) -> Tensor:
    y = net(x) * (0.0 if bad else 1.0)
    z: Tensor = y / y.norm(dim=1, keepdim=True)  # HERE
    return z.square().mean()


def binary_cross_entropy_by_hand(net: Net, x: Tensor, bad: bool) -> Tensor:
    p = torch.sigmoid(net(x) + (200.0 if bad else 0.0))
    return -torch.log(1 - p).mean()  # HERE


FORWARD: dict[Case, tuple[str, str]] = {
    log_of_zero: ("log", "log-of-zero"),
    log_of_negative: ("log", "log-of-negative"),
    sqrt_of_negative: ("sqrt", "outside-domain"),
    division_by_zero: ("div", "division-by-zero"),
    zero_over_zero: ("div", "division-by-zero"),
    division_by_a_constant_zero: ("div", "division-by-zero"),
    exp_overflow: ("exp", "exp-overflow"),
    own_softmax_overflow: ("exp", "exp-overflow"),
    acos_beyond_one: ("acos", "outside-domain"),
    pow_of_negative: ("pow", "outside-domain"),
    spread_of_one_sample: ("std", "too-few-samples"),
    rsqrt_of_zero: ("rsqrt", "division-by-zero"),
    masked_softmax_row: ("softmax", "fully-masked"),
    float16_overflow: ("mul", "overflow-reduced-precision"),
    float32_overflow: ("pow", "overflow"),
    matmul_overflow: ("matmul", "overflow"),
    cosh_overflow: ("cosh", "overflow"),
    norm_of_zeros_divides: ("div", "division-by-zero"),
    binary_cross_entropy_by_hand: ("log", "log-of-zero"),
}

BACKWARD: dict[Case, tuple[str, str]] = {
    slope_of_sqrt_at_zero: ("sqrt", "infinite-slope-at-zero"),
    slope_of_acos_at_one: ("acos", "infinite-slope-at-one"),
    slope_of_pow_at_zero: ("pow", "infinite-slope-at-zero"),
}


def run(case: Case, every: int = 1000, steps: int = 10) -> Recording:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recorder = Recorder({})
    net = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)
    with Probe(recorder, Settings(every=every)):
        for step in range(steps):
            optimizer.zero_grad()
            case(net, torch.randn(8, 5), step == BAD_AT).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return recorder.recording()


def only_event(recording: Recording) -> Event:
    (event,) = recording.events_of("non-finite")
    assert not recording.events_of("failure")
    return event


def marked(case: Callable[..., Any]) -> int:
    lines, start = inspect.getsourcelines(case)
    return start + next(i for i, line in enumerate(lines) if line.rstrip().endswith("# HERE"))


def named(cases: dict[Case, tuple[str, str]]) -> list[Any]:
    return [pytest.param(case, *told, id=case.__name__) for case, told in cases.items()]


@pytest.mark.filterwarnings("ignore:std")
@pytest.mark.parametrize("every", [1000, 1])
@pytest.mark.parametrize(("case", "op", "reason"), named(FORWARD))
def test_names_the_operation_whose_value_is_bad(case: Case, op: str, reason: str, every: int) -> None:
    event = only_event(run(case, every))
    assert (event.step, event.data["phase"]) == (BAD_AT, "forward")
    assert (event.data["op"], event.data["reason"]) == (op, reason)
    assert (event.data["file"], event.data["line"]) == (__file__, marked(case))


@pytest.mark.parametrize("every", [1000, 1])
@pytest.mark.parametrize(("case", "op", "reason"), named(BACKWARD))
def test_names_the_operation_whose_slope_is_bad(case: Case, op: str, reason: str, every: int) -> None:
    event = only_event(run(case, every))
    assert (event.step, event.data["phase"]) == (BAD_AT, "backward")
    assert (event.data["op"], event.data["reason"]) == (op, reason)
    assert (event.data["file"], event.data["line"]) == (__file__, marked(case))


def nan_in_the_batch(net: Net, x: Tensor, bad: bool) -> Tensor:
    x[0, 0] = float("nan") if bad else 0.0
    return net(x).square().mean()


def nan_in_the_target(net: Net, x: Tensor, bad: bool) -> Tensor:
    target = x[:, :4] * (float("nan") if bad else 1.0)
    loss: Tensor = functional.mse_loss(net(x), target)
    return loss


def inf_in_a_constant(net: Net, x: Tensor, bad: bool) -> Tensor:
    return (net(x) * torch.full((4,), float("inf") if bad else 1.0)).mean()


@pytest.mark.parametrize("every", [1000, 1])
@pytest.mark.parametrize("case", [nan_in_the_batch, nan_in_the_target, inf_in_a_constant])
def test_blames_what_comes_from_outside_on_the_outside(case: Case, every: int) -> None:
    event = only_event(run(case, every))
    assert (event.step, event.data["phase"], event.data["reason"]) == (BAD_AT, "input", "input")


@pytest.mark.parametrize("every", [1000, 1])
def test_blames_a_bad_parameter_on_the_step_before(every: int) -> None:
    torch.manual_seed(0)
    recorder = Recorder({})
    net = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4))
    optimizer = torch.optim.SGD([{"params": net[0].parameters()}, {"params": net[2].parameters()}], lr=1e-4)
    with Probe(recorder, Settings(every=every)):
        for step in range(10):
            optimizer.zero_grad()
            (1e3 * net(torch.randn(8, 5))).square().mean().backward()
            optimizer.param_groups[1]["lr"] = 3e38 if step == BAD_AT else 1e-4
            optimizer.step()
    event = only_event(recorder.recording())
    assert (event.step, event.data["phase"]) == (BAD_AT, "parameter")
    assert event.data["parameter"] in ("2.weight", "2.bias")


class Named(nn.Module):
    """Every operation that counts stands in a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4))
        self.squash = nn.Sigmoid()
        self.head = nn.Softmax(1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.squash(self.body(x)))
        return out


def test_an_unread_step_knows_the_sites_of_the_one_that_was_read() -> None:
    torch.manual_seed(0)
    recorder = Recorder({})
    net = Named()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Probe(recorder, Settings(every=1000)):
        for step in range(10):
            optimizer.zero_grad()
            p = net(torch.randn(8, 5)) - (1.0 if step == BAD_AT else 0.0)
            (-p.log()).mean().backward()
            if step == 0:
                known = dict(recorder.recording().sites)
            optimizer.step()
    recording = recorder.recording()
    assert {site.name for site in recording.sites.values()} == {
        site.name for site in (known or recording.sites).values()
    }
    assert {"squash", "head", "body.1"} <= {site.name for site in recording.sites.values()}
    assert len(recording.captures) == 2  # step 0, and the step of the bad loss


def test_a_mask_that_catches_the_bad_gradient_is_no_fault() -> None:
    def masked(net: Net, x: Tensor, bad: bool) -> Tensor:
        return torch.sqrt(functional.relu(net(x))).sum()

    assert not run(masked).events_of("non-finite")


def test_a_where_that_hides_the_bad_value_does_not_hide_the_gradient() -> None:
    def hidden(net: Net, x: Tensor, bad: bool) -> Tensor:
        y = net(x) * (0.0 if bad else 1.0)
        return torch.where(y.abs() > 0, torch.log(y.abs()), 0.0).sum()

    event = only_event(run(hidden))
    assert (event.step, event.data["phase"], event.data["op"]) == (BAD_AT, "backward", "log")


def test_of_a_product_that_a_mask_hides_the_factor_is_named_that_was_infinite() -> None:
    def entropy(net: Net, x: Tensor, bad: bool) -> Tensor:
        p = net(x).sigmoid() * (0.0 if bad else 1.0)
        return torch.where(p > 0, p * torch.log(p), 0.0).sum()

    event = only_event(run(entropy))
    assert (event.step, event.data["op"], event.data["reason"]) == (BAD_AT, "log", "log-of-zero")


def test_behind_a_where_the_first_function_outside_of_its_domain_is_named() -> None:
    def branches(net: Net, x: Tensor, bad: bool) -> Tensor:
        y = net(x).square() + (1.5 if bad else -100.0)
        inner = 2 / torch.sqrt(1 - y) * torch.atan(y)
        return torch.where(y > 1, y, inner).sum()

    data = only_event(run(branches, every=1)).data
    assert (data["phase"], data["op"], data["reason"], data["hidden"]) == ("forward", "sqrt", "outside-domain", True)


def test_of_a_loss_that_is_divided_the_sum_is_named_that_was_infinite() -> None:
    def transducer(net: Net, x: Tensor, bad: bool) -> Tensor:
        logits = net(x).reshape(4, 2, 4).log_softmax(2)
        lengths = torch.tensor([4, 1 if bad else 4])
        targets = torch.ones(2, 2, dtype=torch.long)
        loss = functional.ctc_loss(logits, targets, lengths, torch.tensor([2, 2]), reduction="sum")
        return loss / 16

    data = only_event(run(transducer)).data
    assert (data["phase"], data["op"]) == ("forward", "ctc_loss")


def test_a_gradient_that_leaves_float16_is_found_in_the_backward_pass() -> None:
    def steep(net: Net, x: Tensor, bad: bool) -> Tensor:
        y = net(x).half() * 1e-3
        return (y.float() * (1e9 if bad else 1.0)).mean()

    event = only_event(run(steep, every=1))
    assert (event.step, event.data["phase"], event.data["dtype"]) == (BAD_AT, "backward", "float32")


def test_range_of_the_operand_is_told() -> None:
    event = only_event(run(log_of_zero))
    assert (event.data["operand_min"], event.data["operand_max"], event.data["operand_zero"]) == (0.0, 0.0, True)
    event = only_event(run(exp_overflow))
    assert event.data["operand_max"] > 88.7
