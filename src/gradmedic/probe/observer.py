"""The probe: watches a script's training from inside torch and feeds a recorder."""

import os
from collections.abc import Callable, Sequence
from time import perf_counter
from types import FrameType, TracebackType
from typing import Any, Self
from weakref import WeakMethod

from torch import Tensor, nn
from torch.optim import Optimizer

from gradmedic.probe.assemble import Sheet
from gradmedic.probe.capture import Look, Pass
from gradmedic.probe.failures import Failures
from gradmedic.probe.forensics import Forensics
from gradmedic.probe.graph import walk
from gradmedic.probe.layout import Layout
from gradmedic.probe.listening import Listening
from gradmedic.probe.names import Names
from gradmedic.probe.people import People
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.seat import Seat
from gradmedic.probe.sites import Sites
from gradmedic.probe.updates import Hands
from gradmedic.probe.values import Activity
from gradmedic.probe.vitals import Vitals
from gradmedic.probe.window import Draft, Window
from gradmedic.recorder import Recorder
from gradmedic.recording import Event
from gradmedic.settings import Settings


class Probe:
    """Watches every training step of this process from `install` until `close`.

    Between captures a step costs one loss, a few comparisons and no hook. Nothing raised in here
    reaches the script: a failure is warned of once, recorded, and its part is left out.
    """

    def __init__(self, recorder: Recorder, settings: Settings) -> None:
        self.on_capture: Callable[[], None] | None = None
        self._recorder = recorder
        self._names = Names()
        self._people = People(recorder, self._names)
        self._sites = Sites(self._names, recorder.site)
        self._activity = Activity()
        self._schedule = Schedule(settings.budget, settings.every)
        self._vitals = Vitals(recorder, self._schedule)
        self._forensics = Forensics(recorder)
        self._listening = Listening()
        self._seat = Seat(self)
        self._window: Window | None = None
        self._looking: Look | None = None
        self._hands = Hands()
        self._failed = Failures(recorder)
        self._news = False

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def install(self) -> None:
        """Sit down in torch; the first step is read whole."""
        self._seat.take()
        os.register_at_fork(after_in_child=_weak(self._leave))
        self._open()

    def introduce(self, model: nn.Module | None, optimizer: Optimizer | None) -> None:
        """Meet a model and an optimizer before they are seen at work."""
        if model is not None:
            self._names.introduce(model)
        if optimizer is not None:
            self._people.held(optimizer)

    def close(self) -> None:
        """Get up, and hand in what is unfinished."""
        self._leave()
        for last in (self._hand_in, self._vitals.finish):
            try:
                last()
            except Exception as error:
                self._failed("close", error, self._vitals.step)

    def _leave(self) -> None:
        self._seat.rise()
        self._listening.end()
        self._looking = None

    # ── backward ────────────────────────────────────────────────────────────────────────────

    def begin(self, tensors: Any, inputs: Any, frame: FrameType) -> Look | None:
        """Take the loss; arm the hooks where this pass is read whole."""
        try:
            if self._looking is not None:
                return None  # checkpointing recomputes inside of the pass that is being read
            stream = self._people.stream(frame)
            self._settle()
            loss = self._vitals.loss(stream, tensors)
            if not self._wanted(stream, loss, tensors):
                return None
            return self._arm(tensors, inputs, stream, loss, frame)
        except Exception as error:
            self._failed("backward", error, self._vitals.step)
            return None

    def _settle(self) -> None:
        """See what has happened to weights and gradients since the last pass."""
        for held in self._people.optimizers.values():
            if held.canary is not None:
                held.canary.before_backward()
        if not self._people.optimizers and self._hands.moved():
            if self._window is not None:
                self._window.after_step(self._hands)
            if self._hands.stale:
                self._vitals.stale(None)
            self._vitals.by_hand()
            self._turn(keep=True)

    def _wanted(self, stream: int, loss: float | None, tensors: Any) -> bool:
        if self._failed.often("backward", "capture"):
            return False
        if self._window is not None and stream not in self._window.streams:
            return True
        return self._forensics.suspects(stream, loss, tensors)

    def _arm(self, tensors: Any, inputs: Any, stream: int, loss: float | None, frame: FrameType) -> Look | None:
        began = perf_counter()
        roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        graph = walk(root.grad_fn for root in roots)
        if not graph.vertices:
            return None
        leaves = [vertex.leaf for _, vertex in graph.leaves()]
        held = [p for h in self._people.optimizers.values() for p in h.parameters()]
        self._names.learn([*leaves, *held], frame)
        layout = Layout(graph)
        sites = self._sites.lay_out(layout, stream, *self._listening.owners())
        self._news |= self._forensics.forward(layout, sites, stream, self._vitals.step, loss)
        passed = Pass(layout, sites, self._activity, self._failed)
        passed.arm()
        look = Look(stream, loss, passed, leaves, self._vitals.scale_of(roots), inputs)
        self._looking = look
        if self._people.optimizers:
            self._listening.modules.stop()
        self._schedule.paid(perf_counter() - began)
        return look

    def end(self, look: Look | None, grads: Any = None) -> None:
        """Collect what the hooks have read."""
        try:
            for held in self._people.optimizers.values():
                if held.canary is not None:
                    held.canary.after_backward()
            if look is not None:
                self._looking = None
                self._finish(look, grads)
            if not self._people.optimizers:
                self._by_hand()
            self._vitals.after_backward()
        except Exception as error:
            self._failed("backward", error, self._vitals.step)
        self._tell()

    def _finish(self, look: Look, grads: Any) -> None:
        began = perf_counter()
        look.passed.disarm()
        if grads is not None:
            look.passed.returned(look.inputs, grads)
        sheet = Sheet(look.passed.layout, look.passed.sites, look.passed.meter.numbers(), look.scale)
        self._forensics.backward(sheet, look.stream, self._vitals.step)
        if self._window is None:
            self._window = Window(self._vitals.step)
        leaves = self._people.number(look.leaves)
        draft = Draft(self._vitals.step, look.stream, self._schedule.elapsed, look.loss, sheet, leaves)
        draft.read_leaves(self._people.id_of)
        draft.read_recurrent(self._listening.recurrent.readings(), self._names.modules, look.scale)
        self._hands.watch(look.leaves)
        self._window.drafts.append(draft)
        self._window.streams.add(look.stream)
        now = perf_counter()
        self._schedule.paid(now - began, captured=True)

    def _by_hand(self) -> None:
        """As long as no optimizer has been seen, the script may move the weights itself."""
        self._hands.after_backward()
        if self._window is not None and self._window.drafts:
            leaves = self._window.drafts[-1].leaves
            self._window.before_step(self._hands, leaves.items(), None)

    # ── the optimizer ───────────────────────────────────────────────────────────────────────

    def before_step(self, optimizer: Optimizer) -> None:
        """Read what the optimizer is given."""
        try:
            held = self._people.held(optimizer)
            if held.canary is not None and held.canary.stale:
                self._vitals.stale(held.id)
            scale = getattr(optimizer, "grad_scale", None)  # fused optimizers unscale inside of the step
            if self._window is not None and self._window.drafts:
                numbered = ((self._people.id_of(p), p) for p in held.parameters())
                self._window.before_step(optimizer, numbered, scale)
            self._vitals.before_step(optimizer, scale)
        except Exception as error:
            self._failed("step", error, self._vitals.step)

    def after_step(self, optimizer: Optimizer) -> None:
        """Read what the optimizer has made of it; where a step ends, decide on the next."""
        try:
            held = self._people.held(optimizer)
            held.stepped()
            if self._window is not None:
                self._window.after_step(optimizer)
            self._vitals.after_step(optimizer)
            if held.steps > self._vitals.step:
                self._vitals.step = held.steps
                self._turn()
        except Exception as error:
            self._failed("step", error, self._vitals.step)
        self._tell()

    def clip_norm(self, parameters: Sequence[Tensor], total: Tensor, limit: float, euclidean: bool) -> None:
        """Note the norm before clipping, which comes for free."""
        try:
            scale = self._vitals.clip_norm(parameters, total, limit, euclidean)
            if self._window is not None:
                self._window.clipping(((self._people.id_of(p), p) for p in parameters), scale)
        except Exception as error:
            self._failed("clip", error, self._vitals.step)

    def clip_value(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Now and then see how much a limit on single entries cuts off."""
        try:
            scale = self._vitals.clip_value(parameters, limit)
            if self._window is not None:
                self._window.clipping(((self._people.id_of(p), p) for p in parameters), scale)
        except Exception as error:
            self._failed("clip", error, self._vitals.step)

    def scaled(self, loss: Tensor, result: Tensor, scaler: Any) -> None:
        """Remember the true loss behind a scaled one."""
        self._vitals.scaled(loss, result, scaler)

    def maybe_skipped(self, optimizer: Optimizer) -> None:
        """Note a step that a GradScaler has left out."""
        self._vitals.maybe_skipped(optimizer)

    def compiled(self) -> None:
        """Hooks would break a compiled model into pieces: keep none."""
        self._listening.give_up()
        self._recorder.event(Event("compiled", self._vitals.step))

    # ── the turn of a step ──────────────────────────────────────────────────────────────────

    def _turn(self, keep: bool = False) -> None:
        """A step is over. `keep` what was noted of the forward pass: it belongs to the next one."""
        if self._window is not None:
            self._hand_in()
        if self._schedule.wants(self._vitals.step):
            self._open(keep)
        elif not self._people.optimizers:
            self._listening.forget()
        else:
            self._listening.end()

    def _open(self, keep: bool = False) -> None:
        self._window = Window(self._vitals.step)
        self._listening.begin(lines=not self._sites.have_lines, keep=keep)

    def _hand_in(self) -> None:
        """Record the captures of the step that is over."""
        window, self._window = self._window, None
        if window is None or not window.drafts:
            return
        began = perf_counter()
        leaves = [leaf for draft in window.drafts for leaf in draft.leaves.values()]
        self._people.announce(leaves, self._listening.modules.called.values())
        for draft in window.drafts:
            self._recorder.capture(draft.capture(self._people.name_of))
            self._vitals.captured()
        self._news = True
        self._schedule.paid(perf_counter() - began)

    def _tell(self) -> None:
        """Call who waits for captures: alone in being allowed to raise, to end the run."""
        if self._news:
            self._news = False
            if self.on_capture is not None:
                self.on_capture()


def _weak(method: Callable[[], None]) -> Callable[[], None]:
    """A callback that does not keep its object alive: at-fork handlers are never unregistered."""
    weak = WeakMethod(method)

    def call() -> None:
        alive = weak()
        if alive is not None:
            alive()

    return call
