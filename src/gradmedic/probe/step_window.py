"""A step that is read whole: its backward passes and its updates, until weights have moved."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from torch import Tensor, nn

from gradmedic.probe.draft import Draft
from gradmedic.probe.participants import Participants
from gradmedic.probe.reading.statistics import Number, norm
from gradmedic.probe.updates import Update
from gradmedic.recording.recorder import Recorder


@dataclass
class Window:
    """The drafts and updates of one step."""

    step: int
    drafts: list[Draft] = field(default_factory=list)
    streams: set[int] = field(default_factory=set)
    called: list[Any] = field(default_factory=list)
    """Weak references to the modules that took part."""
    _updates: dict[int, tuple[Update, frozenset[int]]] = field(default_factory=dict)
    _early: list[tuple[Update, frozenset[int]]] = field(default_factory=list)
    _unclipped: dict[int, Number] = field(default_factory=dict)

    def add(self, draft: Draft) -> None:
        """Take in a pass that has been read; what was stepped while it ran belongs to it."""
        self.drafts.append(draft)
        self.streams.add(draft.stream)
        for update, parameters in self._early:
            _enter(draft, update, parameters)
        self._early.clear()

    def clipping(self, numbered: Iterable[tuple[int, Tensor]], scale: float) -> None:
        """Read gradients that the script is about to clip; they may still carry a scaler's factor."""
        for key, tensor in numbered:
            size = norm(tensor.grad) if tensor.grad is not None and key not in self._unclipped else None
            if size is not None:
                self._unclipped[key] = size / scale

    def before_step(self, optimizer: object, numbered: Iterable[tuple[int, Tensor]], scale: Any) -> None:
        """Read what the optimizer is given."""
        update = Update()
        parameters = dict(numbered)
        update.before(parameters.items(), scale)
        self._updates[id(optimizer)] = (update, frozenset(parameters))

    def after_step(self, optimizer: object, running: bool = False) -> None:
        """Read what it has made of it; if no pass is `running`, its gradients came from one that is over."""
        if id(optimizer) not in self._updates:
            return
        update, parameters = self._updates.pop(id(optimizer))
        for key in parameters & self._unclipped.keys():
            update.meter.put((key, "unclipped"), self._unclipped.pop(key))
        update.after(with_twins=self.step < 3)
        if running:
            self._early.append((update, parameters))
        elif self.drafts:
            _enter(self._source(parameters), update, parameters)

    def hand_in(self, people: Participants, recorder: Recorder) -> None:
        """Record what was read."""
        called = (module for weak in self.called if (module := weak()) is not None)
        leaves = (leaf for draft in self.drafts for leaf in draft.alive().values())
        people.announce(leaves, called, known=all(draft.known for draft in self.drafts))
        for draft in self.drafts:
            recorder.capture(draft.capture())

    def _source(self, parameters: frozenset[int]) -> Draft:
        """The last draft that one of the parameters took part in."""
        for draft in reversed(self.drafts):
            if not draft.leaves.keys().isdisjoint(parameters):
                return draft
        return self.drafts[-1]


def _enter(draft: Draft, update: Update, parameters: Iterable[int]) -> None:
    columns = update.columns()
    for key in parameters:
        column, known = columns.get(key), draft.parameters.get(key, {})
        if column is None:  # its weights cannot be read here
            continue
        # autograd.grad leaves nothing in `.grad`: what arrived counts as well.
        draft.parameters[key] = {**known, **column, "grad": max(known.get("grad", 0.0), column["grad"])}


class Windows:
    """At most one window is `open`; the one that is `leaving` is handed in with the next pass.

    Until then another optimizer may step on the same gradients.
    """

    def __init__(self, recorder: Recorder, people: Participants) -> None:
        self.open: Window | None = None
        self.leaving: Window | None = None
        self._recorder = recorder
        self._people = people

    def begin(self, step: int) -> None:
        """Open the window of a step."""
        self.open = Window(step)

    def is_new(self, stream: int) -> bool:
        """True if the step is to be read and this stream of it has not been."""
        return self.open is not None and stream not in self.open.streams

    def add(self, draft: Draft) -> None:
        """Keep a draft; a pass may have been read for what it is, outside of any window."""
        self.open = self.open or Window(draft.step)
        self.open.add(draft)

    def receiving(self, looking: bool) -> Window | None:
        """The window that a step of an optimizer now belongs to."""
        if self.open is not None and (self.open.drafts or looking):
            return self.open
        return self.leaving

    def close(self, called: Iterable[nn.Module]) -> None:
        """Let the open window go; `called` are the modules that took part in its step."""
        self.leaving, self.open = self.open, None
        if self.leaving is not None:
            self.leaving.called = [ref(module) for module in called]

    def hand_in(self) -> int:
        """Record the window that is leaving; the number of captures."""
        window, self.leaving = self.leaving, None
        if window is None or not window.drafts:
            return 0
        window.hand_in(self._people, self._recorder)
        return len(window.drafts)
