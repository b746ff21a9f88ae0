"""The training loop of a script: its optimizers, backward passes and steps, as far as they are plain to see."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gradmedic.base.messages import Message
from gradmedic.treatment.patching.script.imports import ImportedNames, bound
from gradmedic.treatment.patching.script.source import Function, ParsedScript, UnsureError


@dataclass(frozen=True, eq=False)
class OptimizerCreation:
    """An optimizer where it is made: `optimizer = torch.optim.SGD(model.parameters(), lr=0.1)`."""

    name: str
    """What it is assigned to: a variable, or an attribute such as `self.optimizer`; empty if it is handed on."""
    kind: str
    """The name of its class in torch.optim."""
    call: ast.Call
    statement: ast.stmt

    @property
    def parameters(self) -> ast.expr | None:
        """What it is given to move."""
        return argument(self.call, 0, "params")


@dataclass(frozen=True, eq=False)
class OptimizerStep:
    """A step of an optimizer, perhaps through a GradScaler. `plain` is a statement that takes no closure."""

    optimizer: str
    call: ast.Call
    statement: ast.stmt
    scaler: str = ""
    plain: bool = True


@dataclass(frozen=True, eq=False)
class Training:
    """Everything that a script does with its optimizers."""

    source: ParsedScript

    @cached_property
    def words(self) -> ImportedNames:
        """How the script calls what it imports."""
        return ImportedNames(self.source)

    @cached_property
    def made(self) -> list[OptimizerCreation]:
        """The optimizers that are made."""
        return list(self._made())

    def _made(self) -> Iterator[OptimizerCreation]:
        for call in self.source.calls():
            stem, _, kind = self.words.torch(call.func).rpartition(".")
            if stem not in ("torch.optim", f"torch.optim.{kind.lower()}") or not kind[:1].isupper():
                continue
            parent, name = self.source.parents[call], ""
            if isinstance(parent, ast.AnnAssign):
                name = self.source.read(parent.target)
            elif isinstance(parent, ast.Assign) and len(parent.targets) == 1:
                name = self.source.read(parent.targets[0])
            yield OptimizerCreation(name, kind, call, self.source.statement(call))

    def the_made(self) -> list[OptimizerCreation]:
        """The optimizers; raises `UnsureError` where none is found, or one was seen that is made elsewhere."""
        if not self.made:
            raise UnsureError(Message("no optimizer of torch.optim is made in this script"))
        recording = self.source.recording
        for seen in recording.optimizers.values() if recording is not None else ():
            if seen.name not in {one.kind for one in self.made}:
                raise UnsureError(Message("it is not plain where {name} is made", {"name": seen.name}))
        return self.made

    @cached_property
    def schedulers(self) -> list[ast.Call]:
        """The calls that make learning rate schedulers."""
        return [call for call in self.source.calls() if "torch.optim.lr_scheduler." in self.words.torch(call.func)]

    @cached_property
    def zeros(self) -> list[ast.Call]:
        """The calls of zero_grad."""
        return [call for call in self.source.calls() if method(call) == "zero_grad"]

    @cached_property
    def steps(self) -> list[OptimizerStep]:
        """The steps of optimizers, in the order in which they are written."""
        known = {one.name for one in self.made if one.name} | {self.receiver(call) for call in self.zeros}
        found = []
        for call in self.source.calls():
            if method(call) != "step":
                continue
            first = self.source.read(call.args[0]) if len(call.args) == 1 else ""
            alone = isinstance(self.source.parents[call], ast.Expr)
            if self.receiver(call) in known:
                step = OptimizerStep(
                    self.receiver(call), call, self.source.statement(call), plain=alone and not _given(call)
                )
            elif first in known and not call.keywords:
                step = OptimizerStep(first, call, self.source.statement(call), self.receiver(call), plain=alone)
            else:
                continue
            found.append(step)
        return found

    def the_steps(self) -> list[OptimizerStep]:
        """The steps, all of them plain; raises `UnsureError` otherwise."""
        if not self.steps:
            raise UnsureError(Message("no optimizer.step() is found in this script"))
        for step in self.steps:
            if not step.plain:
                raise UnsureError(Message("line {line} steps with a closure", {"line": step.call.lineno}))
        return self.steps

    @cached_property
    def backwards(self) -> list[ast.Call]:
        """The backward passes that are statements of their own."""
        calls = (call for call in self.source.calls() if method(call) == "backward")
        return [call for call in calls if isinstance(self.source.parents[call], ast.Expr)]

    @cached_property
    def accelerator(self) -> str:
        """Who makes the backward pass in the script's place (`accelerator.backward(loss)`), if anybody does."""
        found = [call for call in self.backwards if len(call.args) == 1 and isinstance(call.func, ast.Attribute)]
        by = {self.receiver(call) for call in found if not self.words.full(call.func)}
        return by.pop() if len(by) == 1 else ""

    def receiver(self, call: ast.Call) -> str:
        """What a method is called on, as it is written."""
        return self.source.read(call.func.value) if isinstance(call.func, ast.Attribute) else ""

    # ── the model ───────────────────────────────────────────────────────────────────────────

    def model_of(self, made: OptimizerCreation) -> str:
        """The model all of whose `parameters()` an optimizer is given, or the empty string."""
        given = _all_that_learn(made.parameters)
        if isinstance(given, ast.Call) and method(given) == "parameters" and not _given(given):
            return self._plain(self.receiver(given))
        return ""

    def whole_of(self, made: OptimizerCreation) -> str:
        """The model that an optimizer is given some parameters of, be it in groups, or the empty string."""
        calls = self.source.calls(made.parameters) if made.parameters is not None else ()
        found = {self.receiver(call) for call in calls if method(call) in ("parameters", "named_parameters")}
        if len(found) > 1:  # groups of model.encoder and model.head
            found = {name.rpartition(".")[0] for name in found}
        return self._plain(found.pop()) if len(found) == 1 else ""

    def _plain(self, name: str) -> str:
        return name if all(part.isidentifier() for part in name.split(".")) else ""

    def the_model(self) -> tuple[str, OptimizerCreation]:
        """The one model that is trained, with its optimizer; raises `UnsureError` where there is not one."""
        found = {self.whole_of(made): made for made in self.the_made()}
        if len(found) != 1 or "" in found:
            raise UnsureError(Message("it is not plain which model this script trains"))
        [(model, made)] = found.items()
        return model, made

    def model_at(self, step: OptimizerStep) -> str:
        """The model that a step moves, if it has a name there; else the empty string."""
        found = [made for made in self.made if made.name == step.optimizer]
        if len(found) != 1 or not (model := self.model_of(found[0])):
            return ""
        return model if self.same(model, found[0].statement, step.statement) else ""

    def same(self, name: str, here: ast.AST, there: ast.AST) -> bool:
        """True where a name (`model`, or `self.model`) means the same thing in two places."""
        stem = name.partition(".")[0]
        if self._assigned_after(name, here):
            return False
        first, second = self.source.scope(here), self.source.scope(there)
        if first is second:
            return True
        if stem == "self":
            return self.source.scope(first) is self.source.scope(second)
        return isinstance(first, ast.Module) and not any(
            stem in bound(scope) for scope in self.source.around(there) if isinstance(scope, Function)
        )

    def _assigned_after(self, name: str, here: ast.AST) -> bool:
        end = self.source.span(here)[1]
        targets = (node for node in self.source.nodes() if isinstance(getattr(node, "ctx", None), ast.Store))
        return any(self.source.read(node) == name and self.source.span(node)[0] > end for node in targets)


def method(call: ast.Call) -> str:
    """The name of the method that is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def argument(call: ast.Call, position: int, *keywords: str) -> ast.expr | None:
    """An argument of a call, by its position or one of its names; None where it is not given, or not plainly."""
    for keyword in call.keywords:
        if keyword.arg in keywords:
            return keyword.value
    plain: Sequence[ast.expr] = call.args[: position + 1]
    if len(plain) > position and not any(isinstance(one, ast.Starred) for one in plain):
        return plain[position]
    return None


def _all_that_learn(given: ast.expr | None) -> ast.expr | None:
    """`model.parameters()` behind a filter for those that require a gradient: the others have none to clip."""
    if isinstance(given, ast.ListComp | ast.GeneratorExp) and len(given.generators) == 1:
        made = given.generators[0]
        wanted = [f"{ast.unparse(made.target)}.requires_grad"] * len(made.ifs)
        is_plain = (
            ast.unparse(given.elt) == ast.unparse(made.target) and [ast.unparse(one) for one in made.ifs] == wanted
        )
        return made.iter if is_plain else None
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Name) and given.func.id == "filter":
        test = given.args[0] if len(given.args) == 2 else None
        is_plain = isinstance(test, ast.Lambda) and ast.unparse(test.body).endswith(".requires_grad")
        return given.args[1] if is_plain else None
    return given


def _given(call: ast.Call) -> bool:
    return bool(call.args or call.keywords)
