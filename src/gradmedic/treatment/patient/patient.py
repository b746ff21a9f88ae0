"""A live handle on a script in training: what a remedy may touch, and when.

Neither the model nor an optimizer needs to exist when a remedy is given. It waits for a moment,
and each moment is a context manager: `with patient.on_gradients(act): yield` is a whole remedy.
torch is touched only while somebody waits, and is afterwards what it was.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from weakref import WeakSet

from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from gradmedic.base.errors import RemedyError
from gradmedic.base.name_patterns import glob
from gradmedic.probe.graph.names import Names
from gradmedic.treatment.operation_names import OperationName
from gradmedic.treatment.patient.course import Course, Tell
from gradmedic.treatment.patient.first_forward import FirstForwards
from gradmedic.treatment.patient.first_use import FirstUse, WeightStarts
from gradmedic.treatment.patient.hooks.backward import Backward, PendingBackward
from gradmedic.treatment.patient.hooks.function_calls import ANY, FunctionCall, Lens
from gradmedic.treatment.patient.hooks.loaded_weights import Loads
from gradmedic.treatment.patient.hooks.modules import ModuleHooks
from gradmedic.treatment.patient.hooks.optimizers import OptimizerHook
from gradmedic.treatment.patient.hooks.steps import Steps
from gradmedic.treatment.patient.hooks.tensor_names import fits, labels_of


class Patient:
    """A script, or a model and its optimizer, in treatment.

    `tell` is called with a remedy's name and the reason where it cannot be given; without it the
    reason is raised.
    """

    def __init__(
        self, model: nn.Module | None = None, optimizer: Optimizer | None = None, tell: Tell | None = None
    ) -> None:
        self.names = Names()
        self.modules = ModuleHooks(self.names)
        self.lens = Lens(self.modules)
        self.steps = Steps()
        self.backward = Backward()
        self.loads = Loads()
        self.hands = OptimizerHook(optimizer)
        self._births = WeightStarts(self.lens, self.steps, self.backward, self.names, self.loads)
        self._firsts = FirstForwards(self.modules, self.backward, self.loads)
        self._optimizer = optimizer
        self._tell = tell
        self._course = Course("", None)
        if model is not None:
            self.names.introduce(model)

    @contextmanager
    def course(self, name: str, give: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        """Give one remedy of several; where it cannot be given the others still are."""
        course, outer = Course(name, self._tell), self._course
        self._course = course
        try:
            course.begin(give)
        finally:
            self._course = outer
        try:
            yield
        finally:
            course.settle()
            self.steps.rest()
            self.lens.rest()

    def leave(self) -> None:
        """Let go of everything at once, in a process that was forked: it is a data loader's, or its own affair."""
        for part in (self.steps, self.backward, self.lens, self.modules):
            part.leave()

    @contextmanager
    def around_steps(self, act: Callable[[Optimizer], Callable[[], None] | None]) -> Iterator[None]:
        """Call `act` before each step of an optimizer, and what it returns after it."""
        with self.steps.around(self._course.guarded(act)):
            yield

    @contextmanager
    def on_gradients(self, act: Callable[[Optimizer], object]) -> Iterator[None]:
        """Call `act` with an optimizer when its gradients are complete and its weights have not moved.

        LBFGS is refused: it compares the gradients of several points, and has to see them as they are.
        """

        def but_for_lbfgs(optimizer: Optimizer) -> object:
            if isinstance(optimizer, LBFGS):
                raise RemedyError("LBFGS compares the gradients of several points and has to see them as they are")
            return act(optimizer)

        with self.steps.ready(self._course.guarded(but_for_lbfgs)):
            yield

    @contextmanager
    def after_steps(self, act: Callable[[Optimizer], object]) -> Iterator[None]:
        """Call `act` with an optimizer when its weights have moved."""
        with self.steps.moved(self._course.guarded(act)):
            yield

    @contextmanager
    def on_first_use(self, act: Callable[[FirstUse], bool], names: Sequence[str] = ()) -> Iterator[None]:
        """Call `act` with each weight before anything is computed with it; True says that it was given a new start.

        `names` are those of the weights that are wanted, with `*` for anything; none means all.
        """
        self._refuse_what_is_trained()
        with self.loads.noted(), self._births.awaited(act, names, self._course.guarded):
            yield

    @contextmanager
    def on_first_forward(self, act: Callable[[nn.Module, tuple[Any, ...]], object]) -> Iterator[None]:
        """Call `act` with each outermost module and its arguments, before its first pass that is made for training."""
        self._refuse_what_is_trained()
        with self.loads.noted(), self._firsts.awaited(act, self._course.guarded):
            yield

    def _refuse_what_is_trained(self) -> None:
        if self._optimizer is not None and self._optimizer.state:
            raise RemedyError("it has been trained already: a new start would throw away what it has learned")

    @contextmanager
    def around_calls(self, spots: Sequence[str], make: Callable[[FunctionCall], Any]) -> Iterator[None]:
        """Have `make` make the calls that `spots` name, such as "body.1/relu"; it returns their result."""
        with self._looking([(spot, spot.op) for spot in map(OperationName.parse, spots)], make):
            yield

    @contextmanager
    def around_operations(self, operations: Sequence[str], make: Callable[[FunctionCall], Any]) -> Iterator[None]:
        """Have `make` make all calls of some operations, wherever they are; none means every operation."""
        with self._looking([(None, op) for op in operations or (ANY,)], make):
            yield

    @contextmanager
    def _looking(
        self, wanted: Sequence[tuple[OperationName | None, str]], make: Callable[[FunctionCall], Any]
    ) -> Iterator[None]:
        guarded = self._course.guarded_maker(make)
        with ExitStack() as looks:
            for spot, op in wanted:
                looks.enter_context(self.lens.around(spot, op, guarded))
            yield

    @contextmanager
    def on_optimizers(self, act: Callable[[Optimizer], object]) -> Iterator[None]:
        """Call `act` with each optimizer once: at the first backward pass, or else at its own first step."""
        guarded, met = self._course.guarded(act), WeakSet[Optimizer]()

        def meet(optimizer: Optimizer) -> None:
            if optimizer not in met:
                met.add(optimizer)
                guarded(optimizer)

        def passing(one: PendingBackward) -> Any:
            for optimizer in self.hands.optimizers():
                meet(optimizer)
            return one.proceed()

        with self.hands.noted(), self.backward.around(passing):
            yield

    @contextmanager
    def on_inputs(self, act: Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...] | None]) -> Iterator[None]:
        """Call `act` with each outermost module and what goes into it; it returns what is to go in.

        None from it leaves that as it is.
        """
        guarded = self._course.guarded(act)

        def outermost(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            return guarded(module, args) if self.modules.depth == 0 else None

        with self.modules.entering(outermost):
            yield

    @contextmanager
    def on_outputs(self, names: Sequence[str], act: Callable[[nn.Module, tuple[Any, ...], Any], Any]) -> Iterator[None]:
        """Call `act` with the modules of these names, what went in and what came out; it returns what is to come out.

        False from it leaves the output as it is. An empty name stands for every outermost module.
        """
        guarded = self._course.guarded(act)
        patterns = [glob(name) for name in names if name]

        def wanted(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            path = self.modules.path_of(module)
            outermost = "" in names and self.modules.depth == 0
            if output is None or not (outermost or (path and any(pattern.fullmatch(path) for pattern in patterns))):
                return None
            answer = guarded(module, args, output)
            return None if answer is False else answer

        with self.modules.leaving(wanted):
            yield

    @contextmanager
    def around_modules(
        self,
        enter: Callable[[nn.Module, tuple[Any, ...]], bool],
        leave: Callable[[nn.Module, tuple[Any, ...], Any], bool],
    ) -> Iterator[None]:
        """Call `enter` before and `leave` after each call of a module, also where it raises.

        False from them says that they did nothing.
        """
        entering, leaving = self._course.guarded(enter), self._course.guarded(leave)

        def entered(module: nn.Module, args: tuple[Any, ...]) -> None:
            entering(module, args)

        def left(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            leaving(module, args, output)

        with self.modules.entering(entered), self.modules.leaving(left):
            yield

    def labels(self, tensor: Tensor) -> frozenset[str]:
        """The names that a tensor may have in a recording."""
        frame = sys._getframe(1)
        if self.names.of(tensor) is None:
            self.names.learn([tensor], frame)
        return labels_of(tensor, self.names, frame)

    def is_one_of(self, tensor: Tensor, names: Sequence[str]) -> bool:
        """True if one of these names, in which `*` stands for anything, is that of the tensor."""
        return fits(names, self.labels(tensor))

    @contextmanager
    def scaled_by_hand(self, factor: float) -> Iterator[None]:
        """Multiply the gradients of a script that has no optimizer, as long as it has none."""

        def make(one: PendingBackward) -> Any:
            if self.hands.optimizers() or one.higher:
                return one.proceed()
            return one.scaled(factor)

        with self.hands.noted(), self.backward.around(self._course.guarded_maker(make)):
            yield

    @contextmanager
    def around_backward(self, make: Callable[[PendingBackward], Any]) -> Iterator[None]:
        """Have `make` make every backward pass that is not inside of another one."""
        with self.backward.around(self._course.guarded_maker(make)):
            yield
