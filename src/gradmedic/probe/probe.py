"""The probe: watches a script's training from inside torch and feeds a recorder."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import perf_counter
from types import FrameType, TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.optim import Optimizer

from gradmedic.base.background import in_forked_children, weakly
from gradmedic.base.settings import Settings
from gradmedic.probe.failures import Failures, fenced
from gradmedic.probe.fast_path import FastPath
from gradmedic.probe.first_pass import FirstPass
from gradmedic.probe.graph.graph import leaves_of
from gradmedic.probe.graph.names import Names
from gradmedic.probe.hooks.backward_shortcut import asker
from gradmedic.probe.hooks.torch_hooks import Seat
from gradmedic.probe.participants import Participants
from gradmedic.probe.pass_reader import Reader
from gradmedic.probe.reading.node_hooks import NodeHooks, ObservedPass
from gradmedic.probe.run_listener import NOBODY, Listener
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.step_window import Windows
from gradmedic.probe.updates import ManualUpdates
from gradmedic.probe.vitals import Vitals
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event


class Probe:
    """Watches every training step of this process from `install` until `close`.

    Nothing raised in here reaches the script: a failure is warned of once, recorded, and its part left out.
    """

    def __init__(
        self, recorder: Recorder, settings: Settings, first_pass: FirstPass | None = None, listener: Listener = NOBODY
    ) -> None:
        self._recorder, self._listener = recorder, listener
        names = self._names = Names()
        self._people = Participants(recorder, names)
        self._schedule = Schedule(settings.budget, settings.every)
        self._vitals = Vitals(recorder, self._schedule)
        self._windows = Windows(recorder, self._people)
        self._depth, self._due, self._hands = 0, 0, ManualUpdates()
        self.failed = Failures(recorder, self._vitals)
        self._reader = Reader(recorder, names, self._people, self._vitals, self._schedule, self.failed, first_pass)
        self._listening, self.lines = self._reader.listening, self._reader.listening.lines
        self._started: tuple[int, float] | None = None
        self._seat = Seat(self)
        self._quiet = FastPath(self._seat, self._vitals, self._schedule, self._people, self.failed)
        self._news, self._never_quiet = False, settings.every is not None or settings.steps is not None

    @property
    def step(self) -> int:
        """The number of steps that are over."""
        return self._vitals.step

    @property
    def lost(self) -> int:
        """The number of losses since the last one that was finite."""
        return self._vitals.lost

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def install(self) -> None:
        """Sit down in torch, once more after `close`."""
        self._seat.take()
        in_forked_children(weakly(self._leave))
        if self._vitals.step == 0:
            self._open()

    def introduce(self, model: nn.Module | None, optimizer: Optimizer | None) -> None:
        """Meet a model and an optimizer before they are seen at work."""
        if model is not None:
            self._names.introduce(model)
        if optimizer is not None:
            self._people.held(optimizer, self._vitals.step)

    def close(self) -> None:
        """Get up, and hand in what is unfinished."""
        lasts = (self._seat.rise, self.flush, self._listening.end, self._close_window, self._hand_in)
        with ExitStack() as ends:  # goes on to the next whatever a signal handler of the script's raises in one
            for last in reversed((*lasts, self._vitals.finish, self._listening.forget)):
                ends.callback(self._lastly, last)

    @fenced("close")
    def _lastly(self, last: Callable[[], None]) -> None:
        last()

    @fenced("vitals")
    def flush(self) -> None:
        """Hand over what the fast lane has kept back."""
        self._quiet.close()

    def _leave(self) -> None:
        self._seat.rise()
        self._listening.end()
        self._reader.drop()

    def begin(self, tensors: Any, inputs: Any, frame: FrameType) -> ObservedPass | NodeHooks | None:
        """Take the loss; arm the hooks where this pass is read whole."""
        self._depth += 1
        self.lines.pause()
        if self._quiet.open:
            self.flush()
        return self._begin(tensors, inputs, frame) if self._depth == 1 else self._nest(tensors)

    @fenced("checkpoint")
    def _nest(self, tensors: Any) -> NodeHooks | None:
        return self._reader.nest(tensors) if self._reader.looking is not None else None

    @fenced("backward")
    def _begin(self, tensors: Any, inputs: Any, frame: FrameType) -> ObservedPass | None:
        self._listener.before_pass(frame := asker(frame))
        self._hand_in()
        stream = self._people.stream(frame)
        self._schedule.meet(stream)
        self._settle(stream, tensors)
        loss = self._vitals.loss(stream, tensors)
        if not self._wanted(stream, loss, tensors):
            self._started = (stream, perf_counter())
            return None
        self._started, look = None, self._reader.arm(tensors, inputs, stream, loss, frame)
        self._news |= look is not None and look.told
        return look

    def _settle(self, stream: int, tensors: Any) -> None:
        """See what has happened to weights and gradients since the last pass."""
        self._people.before_backward()
        if self._people.optimizers:
            return
        if (moved := self._hands.moved()) and self._windows.open is not None:
            self._windows.open.after_step(self._hands)
        again = self._windows.open is not None and not self._windows.is_new(stream)
        if moved or (again and self._hands.replaced_in(leaves_of(tensors))):
            self._vitals.by_hand(self._hands.stale)
            self._turn(keep=True)

    def _wanted(self, stream: int, loss: float | None, tensors: Any) -> bool:
        if self.failed.often("backward", "capture"):
            return False
        return self._windows.is_new(stream) or self._reader.forensics.suspects(stream, loss, tensors)

    def cut_off(self) -> None:
        """Forget the passes that run: an exception has cut `end` off, and goes through all that are around."""
        self._depth = 0
        self._reader.drop()

    def end(self, look: ObservedPass | NodeHooks | None, grads: Any = None) -> None:
        """Collect what the hooks have read."""
        self._depth = max(0, self._depth - 1)
        self.lines.resume()
        if isinstance(look, NodeHooks):
            look.disarm()
        elif self._depth == 0:
            self._end(look, grads)
            self._tell()

    @fenced("backward")
    def _end(self, look: ObservedPass | None, grads: Any) -> None:
        if self._started is not None:
            self._reader.timed(self._started[0], perf_counter() - self._started[1])
        self._people.after_backward()
        if look is not None:
            draft = self._reader.finish(look, grads)
            self._hands.watch(look.leaves)
            self._windows.add(draft)
        if not self._people.optimizers:
            self._by_hand()
        self._vitals.after_backward()
        if self._due > self._vitals.step:
            self._turn()

    def _by_hand(self) -> None:
        """As long as no optimizer has been seen, the script may move the weights itself."""
        self._hands.after_backward()
        if (window := self._windows.open) is not None and window.drafts:
            window.before_step(self._hands, window.drafts[-1].alive().items(), None)

    @fenced("step")
    def before_step(self, optimizer: Optimizer) -> None:
        """Read what the optimizer is given."""
        held = self._people.held(optimizer, self._vitals.step)
        if held.canary is not None and held.canary.stale:
            self._vitals.stale(held.id)
        scale = getattr(optimizer, "grad_scale", None)  # fused optimizers unscale inside of the step
        window = self._windows.receiving(self._reader.looking is not None)
        if window is not None:
            began = perf_counter()
            window.before_step(optimizer, ((self._people.id_of(p), p) for p in held.parameters()), scale)
            self._schedule.paid(2 * (perf_counter() - began))  # and as much again to look what has become of it
        self._vitals.before_step(optimizer, scale, whole=not self._depth)

    def after_step(self, optimizer: Optimizer) -> None:
        """Read what the optimizer has made of it; where a step ends, decide on the next."""
        self._after_step(optimizer)
        self._tell(optimizer)

    @fenced("step")
    def _after_step(self, optimizer: Optimizer) -> None:
        window = self._windows.receiving(self._reader.looking is not None)
        if window is not None:
            window.after_step(optimizer, running=self._reader.looking is not None)
        self._over(optimizer, optimizer)

    def _over(self, optimizer: Optimizer, moved: Optimizer | None) -> None:
        held = self._people.held(optimizer, self._vitals.step)
        held.stepped()
        self._vitals.after_step(moved)
        if held.steps > self._vitals.step:
            self._due = held.steps
            if self._depth:  # a hook steps while the backward pass runs
                self._never_quiet = True
            else:
                self._turn()

    @fenced("clip")
    def clip(self, parameters: Sequence[Tensor], total: Tensor | None, limit: float, euclidean: bool = False) -> None:
        """Note the norm before clipping, which comes for free; now and then see what a limit on entries cuts off."""
        self.flush()
        self._people.clipped(parameters, 1 if total is not None else 2)
        scale = self._vitals.clip(parameters, total, limit, euclidean, len(self._people.optimizers) == 1)
        if (window := self._windows.receiving(self._reader.looking is not None)) is not None:
            window.clipping(((self._people.id_of(p), p) for p in parameters), scale)

    @fenced("scale")
    def scaled(self, loss: Tensor, result: Tensor, scaler: Any) -> None:
        """Remember the true loss behind a scaled one."""
        self.flush()
        self._vitals.scaled(loss, result, scaler)

    @fenced("step")
    def skipped(self, optimizer: Optimizer) -> None:
        """Note a step that a GradScaler has left out."""
        self._over(optimizer, None)

    @fenced("backward")
    def trains(self, outputs: Any, inputs: Sequence[Any], higher: bool) -> bool:
        """Tell a gradient that moves weights from one for its own sake."""
        return self._people.trains(outputs, inputs, higher)

    @fenced("compile")
    def compiled(self) -> None:
        """Hooks would break a compiled model into pieces: keep none."""
        self._listening.give_up()
        self._recorder.event(Event("compiled", self._vitals.step))

    def _turn(self, keep: bool = False) -> None:
        """A step is over. `keep` what was noted of the forward pass: it belongs to the next one."""
        self._vitals.step = max(self._vitals.step, self._due)
        self._close_window()
        if self._schedule.wants(self._vitals.step):
            self._open(keep)
        else:
            self._listening.forget()
            if self._people.optimizers:
                self._listening.end()
                self._quieten()

    def _quieten(self) -> None:
        """Take the fast lane until something happens, where all that is known has become ordinary."""
        busy = self._never_quiet or self._windows.leaving or not self._people.trusted
        if not busy and self._vitals.settle():
            self._quiet.allow(self._people.calls(self._reader.plain))

    def _close_window(self) -> None:
        if self._windows.open is not None:
            self._hand_in()
            self._windows.close(self._listening.modules.called.values())

    @fenced("names")
    def _open(self, keep: bool = False) -> None:
        self._windows.begin(self._vitals.step)
        lines, modules = not self._reader.sites.have_lines, not self._reader.settled
        self._listening.begin(lines, keep, modules)

    def _hand_in(self) -> None:
        if self._windows.leaving is not None:
            began = perf_counter()
            self._vitals.captured(self._windows.hand_in())
            self._news = True
            self._schedule.paid(perf_counter() - began)

    @fenced("listener")
    def _tell(self, stepped: Optimizer | None = None) -> None:
        news, self._news = self._news, False
        if news:
            self._listener.captured()
        self._listener.after(self._vitals.step, self._vitals.lost, stepped)
