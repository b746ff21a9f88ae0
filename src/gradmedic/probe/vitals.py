"""What is taken of every step: losses, the global gradient norm, the learning rate."""

from collections.abc import Sequence
from itertools import repeat
from math import isfinite
from time import perf_counter
from typing import Any
from weakref import ref

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradmedic.base.storage import is_readable
from gradmedic.probe.clipping import Clips
from gradmedic.probe.pending_vital import PendingVital
from gradmedic.probe.reading.meter import global_norm
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.torch_internals import states_of
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event, Vital

SHARE = 0.002
"""Share of a step's time that measuring the gradient norm may take on average."""

LEAVING = 3.0e-4
"""Seconds that it costs to leave the fast lane for the step whose gradient is measured, on a slow core."""

STRANGE = 4.0
"""A loss this many times its own running mean asks for a capture."""

TALLY = 256
"""Vitals between two tallies: what is lost of the counters if the process is killed."""

PENDING = 16
"""Scaled losses that may wait for their backward pass."""

WAITING = 32
"""Losses that may wait on a device before they are fetched together."""


class Vitals:
    """Rows that wait for their optimizer step, and the counters of the run."""

    def __init__(self, recorder: Recorder, schedule: Schedule) -> None:
        self.step = 0
        self._recorder = recorder
        self._schedule = schedule
        self._began = perf_counter()
        self._rows: list[PendingVital] = []
        self._over = False
        self._done: list[PendingVital] = []
        self._since_tally = 0
        self._scaled: dict[int, tuple[Any, Tensor, Any]] = {}
        self._means: dict[int, float] = {}
        self.clips = Clips()
        self._norm_due: dict[int, float] = {}
        self._value_due = 0.0
        self._stale_told = False
        counted = ("backwards", "captures", "stale_steps", "skipped_steps", "nonfinite_losses")
        self.tallies = dict.fromkeys(counted, 0)
        self.lost = 0

    # ── backward ────────────────────────────────────────────────────────────────────────────

    def loss(self, stream: int, tensors: Any) -> float | None:
        """Open a row for a backward pass; its loss, where that can be had without waiting."""
        if self._over:
            self._complete()
        self.clips.clear()
        tensor = tensors if isinstance(tensors, Tensor) else _sum(tensors)
        scaler = None
        if self._scaled and tensor is not None:
            known = self._scaled.pop(id(tensor), None)
            if known is not None and known[0]() is tensor:
                tensor, scaler = known[1], known[2]
        row = PendingVital(self.step, stream, perf_counter() - self._began, scaler)
        self._rows.append(row)
        self.tallies["backwards"] += 1
        if tensor is None or tensor.numel() != 1 or not is_readable(tensor):
            return None
        if not tensor.is_cpu:
            row.waiting = tensor.detach()
            return None
        value = row.loss = float(tensor.item())
        self._notice(stream, value)
        return value

    def _notice(self, stream: int, value: float) -> None:
        if not isfinite(value):
            self.tallies["nonfinite_losses"] += 1
            self.lost += 1
            return
        self.lost = 0
        mean = self._means.get(stream)
        if mean is not None and abs(value) > STRANGE * mean > 0:
            self._schedule.ask()
        self._means[stream] = abs(value) if mean is None else 0.95 * mean + 0.05 * abs(value)

    def scaled(self, loss: Tensor, result: Tensor, scaler: Any) -> None:
        """Remember the true loss behind a scaled one."""
        if len(self._scaled) >= PENDING:
            self._scaled.clear()
        self._scaled[id(result)] = (ref(result), loss.detach(), scaler)

    def scale_of(self, roots: list[Tensor]) -> float:
        """The factor that the gradients of the pass that is about to run carry."""
        scaler = self._rows[-1].scaler if self._rows else None
        return float(scaler.get_scale()) if scaler is not None else 1.0

    def after_backward(self) -> None:
        """Let rows go that no optimizer step will complete."""
        if len(self._rows) > 4 * WAITING:
            self._complete()

    def by_hand(self, stale: bool) -> None:
        """Weights have been moved without an optimizer: a step is over."""
        if stale:
            self.stale(None)
        self.step += 1
        if self._rows:
            self._note_clipping(self.clips.total(None))
        self._complete()

    # ── the optimizer ───────────────────────────────────────────────────────────────────────

    def clip(
        self, parameters: Sequence[Tensor], total: Tensor | None, limit: float, euclidean: bool, alone: bool
    ) -> float:
        """Note what is clipped; the scaler's factor that the gradients still carry.

        Where an optimizer is `alone`, what it has stepped on is used up.
        """
        fresh = bool(self._rows) and not self._over if alone else None
        scale, began = self._scale_left(), perf_counter()
        self.clips.idle += fresh is False or all(p.grad is None for p in parameters)
        if total is not None:
            self.clips.by_norm(parameters, total, limit, scale, euclidean)
        elif began >= self._value_due:
            self.clips.by_value(parameters, limit)
            cost = perf_counter() - began
            self._value_due = began + cost / SHARE
            self._schedule.paid(cost)
        return scale

    def _scale_left(self) -> float:
        """The factor of gradients that nobody has unscaled yet."""
        scaler = next((row.scaler for row in self._rows if row.scaler is not None), None)
        if scaler is None:
            return 1.0
        states = states_of(scaler).values()
        return 1.0 if any(state["found_inf_per_device"] for state in states) else float(scaler.get_scale())

    def before_step(self, optimizer: Optimizer, scale: Any, whole: bool) -> None:
        """Note the learning rate, and if gradients are `whole` now and then their norm."""
        lr = optimizer.param_groups[0].get("lr")
        if isinstance(lr, Tensor):
            lr = float(lr) if lr.device.type == "cpu" else None
        for row in self._rows:
            if row.lr is None:
                row.lr = lr
        if self._rows and whole:
            self._measure(optimizer, scale)

    def _measure(self, optimizer: Optimizer, scale: Any) -> None:
        """The norm before clipping; several optimizers that share a pass are measured together or not at all."""
        if self.clips:
            self._note_clipping(self.clips.total([p for group in optimizer.param_groups for p in group["params"]]))
            return
        row = self._rows[-1]
        if row.norms or (perf_counter() >= self.norm_due(row.stream) and not self._over):
            size = self.norm(row.stream, optimizer, scale)
            row.norms += [] if size is None else [size]

    def norm_due(self, stream: int) -> float:
        """When the gradient of a stream is to be measured again."""
        return self._norm_due.get(stream, 0.0)

    def norm(self, stream: int, optimizer: Optimizer, scale: Any = None) -> Tensor | None:
        """The L2 norm of an optimizer's gradients; the stream's next is due when its time has been earned."""
        began = perf_counter()
        size = global_norm(optimizer, scale)
        cost = perf_counter() - began
        streams = len({*self._norm_due, stream})
        self._norm_due[stream] = began + (cost + LEAVING) * streams / SHARE
        self._schedule.paid(cost)
        return size

    def _note_clipping(self, known: tuple[Tensor, float | None] | None) -> None:
        if known is not None:
            self._rows[-1].grad_norm, self._rows[-1].max_norm = known

    def after_step(self, optimizer: Optimizer | None) -> None:
        """The step of these rows is over, unless another optimizer shares it; None stands for one left out."""
        self._over = True
        skipped = True if optimizer is None else getattr(optimizer, "found_inf", False)
        for row in self._rows:
            row.skipped = row.skipped + skipped

    def stale(self, optimizer: int | None) -> None:
        """Count a step on gradients that nobody has zeroed."""
        self.tallies["stale_steps"] += 1
        if not self._stale_told and self.tallies["stale_steps"] >= 3:
            self._stale_told = True
            self._recorder.event(Event("stale-gradients", self.step, {"optimizer": optimizer}))

    # ── the fast lane ───────────────────────────────────────────────────────────────────────

    def settle(self) -> bool:
        """Hand in what is complete; True where no scaler, no clipping and no unfinished row asks for attention."""
        if self._over:
            self._complete()
        return not (self._scaled or self._rows or self._done or self.clips.calls)

    def limits(self) -> dict[int, float]:
        """The size of a loss, by stream, from which it is strange."""
        return {stream: STRANGE * mean for stream, mean in self._means.items() if mean > 0}

    def absorb(
        self,
        steps: Sequence[int],
        streams: Sequence[int],
        times: Sequence[float],
        losses: Sequence[float],
        lrs: Sequence[Any],
    ) -> None:
        """Take over passes that nobody has looked at, column by column."""
        for stream, loss in zip(streams, losses, strict=True):
            self._notice(stream, loss)
        since = [time - self._began for time in times]
        rates = [float(lr) if isinstance(lr, Tensor) else lr for lr in lrs]
        pile = list(map(Vital, steps, streams, since, losses, repeat(None), repeat(None), rates))
        self._recorder.vitals(pile)
        self.tallies["backwards"] += len(pile)
        self._since_tally += len(pile)
        if self._since_tally >= TALLY:
            self._tally()

    # ── handing in ──────────────────────────────────────────────────────────────────────────

    def captured(self, count: int) -> None:
        """Count captures."""
        self.tallies["captures"] += count

    def _complete(self) -> None:
        """Nothing will be added to the rows; hand them in as soon as no loss has to be waited for."""
        self._over = False
        self._done += self._rows
        self._rows = []
        if self._done and (self._done[-1].waiting is None or len(self._done) >= WAITING):
            self._flush()

    def _flush(self) -> None:
        waiting = [row for row in self._done if row.waiting is not None]
        if waiting:
            self._fetch(waiting)
        vitals = [row.vital() for row in self._done]
        self.tallies["skipped_steps"] += len({vital.step for vital in vitals if vital.skipped})
        for vital in vitals:  # one or a few: a pile costs more to deal out
            self._recorder.vital(vital)
        self._since_tally += len(vitals)
        self._done.clear()
        if self._since_tally >= TALLY:
            self._tally()

    def _fetch(self, waiting: list[PendingVital]) -> None:
        """Bring losses from their device, all at once."""
        losses = torch.stack([row.waiting.double().flatten()[0] for row in waiting if row.waiting is not None]).tolist()
        for row, loss in zip(waiting, losses, strict=True):
            row.loss, row.waiting = loss, None
            self._notice(row.stream, loss)

    def _tally(self) -> None:
        self._since_tally = 0
        told: dict[str, float] = {
            **self.tallies,
            "clip_calls": self.clips.calls,
            "clip_bites": self.clips.bites,
            "clip_idle": self.clips.idle,
            "clip_scaled": self.clips.scaled,
            "steps": self.step,
        }
        told |= {"spent": self._schedule.spent, "seconds": self._schedule.elapsed}
        self._recorder.event(Event("tallies", self.step, told))

    def finish(self) -> None:
        """Hand in what is left."""
        self._done += self._rows
        self._rows = []
        self._flush()
        self._tally()


def _sum(tensors: Any) -> Tensor | None:
    """The sum of several losses, the tensor itself if there is only one."""
    losses = [tensor for tensor in tensors if isinstance(tensor, Tensor)]
    if len(losses) > 1 and all(loss.numel() == 1 for loss in losses):
        return torch.stack([loss.detach().flatten()[0] for loss in losses]).sum()
    return losses[0] if len(losses) == 1 else None
