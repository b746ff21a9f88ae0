"""Whatever cannot be read is known before it is read: a read of freed memory would kill this process too."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gradmedic.base.storage import is_readable
from gradmedic.probe.clipping import Clips
from gradmedic.probe.graph.graph import starts, walk
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.nonfinite.recomputed_values import Revival
from gradmedic.probe.reading.meter import global_norm
from gradmedic.probe.reading.saturation import saturation
from gradmedic.probe.reading.statistics import norm, unit_activity, value_reading
from gradmedic.probe.updates import Canary, ManualUpdates, Update
from gradmedic.theory.signals.parameter_law import measured


def freed(*shape: int) -> nn.Parameter:
    """A parameter whose storage has been given back, as FSDP and offloading do between its uses."""
    parameter = nn.Parameter(torch.ones(shape))
    parameter.untyped_storage().resize_(0)
    return parameter


@given(st.lists(st.integers(0, 4), max_size=3), st.integers(0, 3), st.data())
def test_a_view_is_readable_as_long_as_the_storage_reaches_its_last_entry(
    shape: list[int], offset: int, data: st.DataObject
) -> None:
    strides = [data.draw(st.integers(0, 5)) for _ in shape]
    entries = 0 if 0 in shape else 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    whole = torch.zeros(offset + entries + 1)
    view = whole.as_strided(shape, strides, offset)
    assert is_readable(view)
    whole.untyped_storage().resize_(4 * (offset + entries))
    assert is_readable(view)
    if entries:
        whole.untyped_storage().resize_(4 * (offset + entries) - 1)
        assert not is_readable(view)


def test_what_has_no_numbers_of_its_own_is_not_readable() -> None:
    inside: list[bool] = []

    def note(x: Tensor) -> Tensor:
        inside.append(is_readable(x))
        return x

    torch.vmap(note)(torch.ones(3))
    assert inside == [False]
    assert not is_readable(torch.ones(3, device="meta"))
    assert is_readable(torch.eye(3).to_sparse())


READS: dict[str, Callable[[Tensor], object]] = {
    "gradient": norm,
    "value": value_reading,
    "units": lambda t: unit_activity(t, 0),
    "saturation": lambda t: saturation("tanh", t),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_reading_of_freed_memory_is_no_reading(read: Callable[[Tensor], object]) -> None:
    assert read(freed(4, 4)) is None


def test_the_law_of_freed_weights_is_unknown() -> None:
    assert measured(freed(4, 4)).square != measured(freed(4, 4)).square  # NaN


def test_an_update_of_freed_weights_is_left_out_and_others_are_read() -> None:
    here, gone = nn.Parameter(torch.ones(2)), freed(3)
    here.grad = torch.ones(2)
    update = Update()
    update.before([(1, here), (2, gone)])
    update.after(with_twins=True)
    assert set(update.columns()) == {1}


def test_weights_that_are_freed_between_two_looks_are_left_out() -> None:
    parameter = nn.Parameter(torch.ones(3, 3))
    update = Update()
    update.before([(1, parameter)])
    parameter.untyped_storage().resize_(0)
    update.after(with_twins=True)
    assert "update_rms" not in update.columns()[1]


def test_gradients_that_are_freed_have_no_norm_and_are_not_clipped() -> None:
    parameter = nn.Parameter(torch.ones(3))
    parameter.grad = torch.ones(3)
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    parameter.grad.untyped_storage().resize_(0)
    assert global_norm(optimizer, None) is None
    clips = Clips()
    clips.by_value([parameter], 1.0)
    assert clips.calls == 0


def test_who_looks_for_forgotten_zeroing_and_for_updates_by_hand_reads_nothing_freed() -> None:
    parameter = freed(3)
    parameter.grad = freed(3).detach()
    canary, hands = Canary(), ManualUpdates()
    canary.after_step([parameter])
    canary.before_backward()
    hands.watch([parameter])
    hands.after_backward()
    assert not hands.moved()


def test_saved_values_that_have_been_freed_are_not_there() -> None:
    weight, x = nn.Parameter(torch.ones(3, 3)), torch.ones(2, 3, requires_grad=True)
    loss = torch.tanh(x @ weight).sum()
    layout = Layout(walk(starts([loss], scaled=False)))
    weight.untyped_storage().resize_(0)
    matrix = next(i for i, v in enumerate(layout.vertices) if "Mm" in v.name)
    assert layout.vertices[matrix].tensor("mat2") is None
    leaf = next(i for i, v in enumerate(layout.vertices) if v.leaf is weight)
    assert Revival(layout).value(leaf) is None
