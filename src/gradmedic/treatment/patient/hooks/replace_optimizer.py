"""An optimizer that becomes one of another class, and stays the same object."""

from collections.abc import Callable
from types import MethodType
from typing import Any

from torch import Tensor
from torch.optim import Optimizer


def exchange(optimizer: Optimizer, kind: Any) -> Callable[[], None]:
    """Make it an optimizer of `kind` with that one's usual options; what is returned makes it again what it was."""
    model = kind([Tensor([0.0])])
    before = {
        "class": type(optimizer),
        "state": optimizer.state,
        "defaults": optimizer.defaults,
        "groups": [{key: one for key, one in group.items() if key != "params"} for group in optimizer.param_groups],
        "step": vars(optimizer).get("step"),
    }
    optimizer.__class__ = kind
    optimizer.state = type(optimizer.state)(dict)
    optimizer.defaults = dict(model.defaults)
    for group in optimizer.param_groups:
        for key, value in model.defaults.items():
            group[key] = group[key] if key == "lr" else value
    if before["step"] is not None:  # a scheduler has wrapped the step of the old class, to see it called
        optimizer.step = _seen(optimizer, before["step"])  # type: ignore[method-assign]
    return lambda: _back(optimizer, before)


def _seen(optimizer: Optimizer, wrapper: Any) -> Any:
    def step(*args: Any, **kwargs: Any) -> Any:
        optimizer._opt_called = True  # type: ignore[attr-defined]
        return MethodType(type(optimizer).step, optimizer)(*args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    step.__wrapped__ = wrapper  # type: ignore[attr-defined]
    return step


def _back(optimizer: Optimizer, before: dict[str, Any]) -> None:
    optimizer.__class__ = before["class"]
    optimizer.state, optimizer.defaults = before["state"], before["defaults"]
    for group, was in zip(optimizer.param_groups, before["groups"], strict=True):
        now = {"params": group["params"], **was, "lr": group["lr"]}
        group.clear()
        group.update(now)
    if before["step"] is not None:
        optimizer.step = before["step"]  # type: ignore[method-assign]
