"""Disconnected parameters: weights that training cannot move, because something is not plugged in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.connectivity import Connectivity, Group, entries, modules, wiring
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.site import Parameter, Place
from gradmedic.recording.sketch import Drawn, DrawnParameter, parameter, site, sketch

FALLING = [2.3 * 0.95**i for i in range(60)]


def _drawn(name: str, size: int = 64, **facts: object) -> DrawnParameter:
    grad = 1.0 if facts.pop("grad", True) else 0.0
    numbers: dict[str, float | list[float]] = {"grad": [grad] * 3, **({"grad_rms": 0.1} if grad else {})}
    return parameter(name, numbers, **{"shape": (size, size), "module_type": "Linear", **facts})


def _run(*parameters: DrawnParameter, losses: list[float] | None = None) -> Recording:
    return sketch([], parameters, losses=losses or [2.3] * 60)


@dataclass(frozen=True)
class DisconnectedParameters(Rule):
    """
    ## What it finds
    Trainable weights that cannot learn: the gradient does not arrive although their layer was
    used, or it arrives and no optimizer holds them, or the optimizer holds other tensors than the
    network uses, or the gradient is thrown away before the step.

    ## Why it hurts
    Nothing fails. The rest of the network trains on top of random features, and the loss may even
    fall a good deal, only never as far as it could.

    ## What causes it
    A `detach()`, `.data`, `.item()`, `argmax` or NumPy between a layer and the loss. Layers in a
    plain Python list, which `parameters()` does not see. An optimizer that was given one of two
    models, or that was made before a layer was replaced. A `zero_grad()` between `backward()` and
    `step()`.

    ## Example
    ```python
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(64, 64) for _ in range(3)]  # parameters() is empty
    ```

    ## Instead
    ```python
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(64, 64) for _ in range(3)])
    ```
    Weights that are to stay as they are: `requires_grad_(False)` says so, and nothing is reported.

    ## References
    - PyTorch, [ModuleList](https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html)
    - PyTorch, [Autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html)
    """

    name: ClassVar[str] = "disconnected-parameters"
    severity: ClassVar[Severity] = Severity.CRITICAL

    much: float = 0.5
    """Share of the network's weights from which most of it does not learn."""

    little: float = 0.1
    """Share up to which it may be an output that this loss does not use, or one spare parameter."""

    passes: int = 3
    """How often each backward call has to be made: in the first round of a GAN one of the two
    optimizers has not stepped yet."""

    SICK: ClassVar = Drawn(
        lambda: [
            _run(_drawn("encoder.weight", grad=False), _drawn("head.weight", 32)),  # detached
            _run(_drawn("layers.0.weight", optimizer=None, registered=False), _drawn("out.weight"), losses=FALLING),
            _run(_drawn("encoder.weight", optimizer=None), _drawn("decoder.weight")),  # one of two models
            _run(
                _drawn("fc.weight", optimizer=None), _drawn("tensor", grad=False, called=False), _drawn("body.weight")
            ),
            _run(_drawn("fc.weight", optimizer=None), _drawn("old", grad=False, called=False)),  # the whole network
            _run(_drawn("fc.weight", module_type=""), _drawn("fc.weight", optimizer=None)),  # replaced after a while
            _run(_drawn("tokens.net.weight", 4, grad=False), _drawn("body.weight"), losses=FALLING),  # argmax
            sketch(losses=[2.3] * 60, events=[Event("no-graph", 2, {"stream": 0, "passes": 3, "enabled": False})]),
            sketch(
                [
                    site("body", "linear", parameter="body.weight"),
                    site("out", "linear", parameter="out.weight", tail=True),
                ],
                [_drawn("body.weight", 256), _drawn("out.weight", 4, optimizer=None)],
                losses=FALLING,
            ),  # a small output layer
            _run(parameter("fc.weight", {"grad_rms": [0.1] * 3, "clipped_rms": 0.0, "update_rms": 0.0}, shape=(9, 9))),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _run(_drawn("encoder.weight"), _drawn("head.weight")),
            _run(_drawn("encoder.weight", grad=False, requires_grad=False), _drawn("head.weight")),  # frozen
            _run(_drawn("target.weight", grad=False, optimizer=None), _drawn("online.weight")),  # DQN's target network
            sketch([], [_drawn("w", optimizer=None)], losses=FALLING, optimizers=[]),  # steps are made by hand
            _run(_drawn("G.weight", optimizer=0), _drawn("D.weight", optimizer=1)),
            _run(_drawn("G.weight", optimizer=None), _drawn("D.weight"), losses=[0.7]),  # too early to say
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        yield from self._without_graph(recording)
        if recording.optimizers and recording.captures and self._settled(recording):
            wires = wiring(recording)
            yield from self._forgotten(recording, wires)
            yield from self._cut(recording, wires)
            yield from self._cleared(wires)

    def _without_graph(self, recording: Recording) -> Iterator[Finding]:
        """A loss that no weights lie behind, where there is no other that any lie behind."""
        told = recording.events_of("no-graph")
        if told and not any("grad_norm" in row for c in recording.captures for row in c.parameters.values()):
            stream = recording.streams.get(int(told[0].data.get("stream", 0)))
            enabled = told[0].data.get("enabled", True)
            place = Place("loss", "loss", None, stream.file if stream else None, stream.line if stream else None)
            yield Finding(
                self.name,
                self.severity,
                Message("The loss leads to no weight: backward() finds no graph behind it"),
                Message(CUT if enabled else DISABLED),
                (place,),
                0,
                {"gradients_enabled": bool(enabled)},
                (GRAPH if enabled else ENABLE,),
                rank=0,
                explains=CONSEQUENCES,
            )

    def _settled(self, recording: Recording) -> bool:
        passes = [sum(v.stream == stream for v in recording.vitals) for stream in recording.streams]
        return min(passes, default=0) >= self.passes and all(map(recording.captures_of, recording.streams))

    def _forgotten(self, recording: Recording, wires: Connectivity) -> Iterator[Finding]:
        lost = wires.forgotten
        if not lost:
            return
        values, severity = _values(wires, lost), self._severity(recording, wires.share(lost))
        message = Message(
            "No optimizer holds {first}{more} ({share} of the weights): the gradient is thrown away", values
        )
        why, cure = Message("What is not in the optimizer stays as it was initialized."), HOLD
        if self._is_stale(wires):
            message = Message(
                "The optimizer holds old tensors in place of {first}{more} ({share} of the weights)", values
            )
            why = Message("It was made before these layers were replaced or copied, and still moves the old ones.")
            cure = REMAKE
        elif not all(p.registered for p in lost):
            why = Message("Layers in a plain list or dict are invisible to parameters(), to() and state_dict().")
            cure, severity = REGISTER, max(severity, Severity.WARNING)
        elif self._is_input(wires):
            severity = Severity.NOTE
        elif any(_is_output(recording, p) for p in lost):
            severity = max(severity, Severity.WARNING)
        yield self._finding(wires, lost, severity, message, why, cure)

    def _is_stale(self, wires: Connectivity) -> bool:
        """True where the optimizer holds the weights of a network or layer that is gone."""
        same = {p.shape for p in wires.idle} & {p.shape for p in wires.forgotten}
        held = {(p.name, p.shape) for p in (*wires.working, *wires.cut)}
        replaced = held & {(p.name, p.shape) for p in wires.forgotten}  # trained before, in another layer's place
        return bool(same or replaced) or any(not p.module_type for p in wires.idle)

    def _is_input(self, wires: Connectivity) -> bool:
        """True where what is trained is an image or the like, and the network only passes the gradient on."""
        trained, passing = [p.module_type for p in wires.working], [p.module_type for p in wires.forgotten]
        return bool(trained) and not any(trained) and all(passing)

    def _cut(self, recording: Recording, wires: Connectivity) -> Iterator[Finding]:
        first = wires.comes_first(wires.cut)
        if wires.cut:
            share = wires.share(wires.cut)
            severity = self._severity(recording, share)
            if not first and share < self.much and not _fails(recording):
                severity = Severity.NOTE
            if wires.comes_in_first(wires.cut):  # all that the network sees has passed it, however small it is
                severity = max(severity, Severity.WARNING)
            text = "No gradient arrives at {first}{more} ({share} of the weights), although the layer is used"
            why = "Something between this layer and the loss cuts the graph: detach(), .data, .item(), argmax, NumPy."
            if not first:
                why = "The loss does not use its output, or something in between cuts the graph."
            yield self._finding(
                wires, wires.cut, severity, Message(text, _values(wires, wires.cut)), Message(why), CONNECT
            )
        if wires.idle and not wires.forgotten:
            text = "The optimizer holds {first}{more} ({share} of the weights), but the loss never used it"
            values = _values(wires, wires.idle)
            why = "It was never called, or only under no_grad(): it stays as it was initialized."
            severity = Severity.NOTE
            if wires.share(wires.idle) >= self.much:
                severity = Severity.CRITICAL if _fails(recording) else Severity.WARNING
            yield self._finding(wires, wires.idle, severity, Message(text, values), Message(why), UNUSED)

    def _cleared(self, wires: Connectivity) -> Iterator[Finding]:
        if wires.cleared and wires.cleared == wires.working:
            text = "The gradient of {first}{more} is zeroed before the optimizer uses it"
            why = Message("The order must be zero_grad(), backward(), step().")
            message = Message(text, _values(wires, wires.cleared))
            yield self._finding(wires, wires.cleared, self.severity, message, why, ORDER)

    def _severity(self, recording: Recording, share: float) -> Severity:
        if share >= self.much or (share > self.little and _fails(recording)):
            return self.severity
        return Severity.WARNING if share > self.little or _fails(recording) else Severity.NOTE

    def _finding(
        self, wires: Connectivity, part: Group, severity: Severity, message: Message, why: Message, cure: Cure
    ) -> Finding:
        return Finding(
            self.name,
            severity,
            message,
            why,
            tuple(Place(name, "parameter", owned.name) for name, owned in modules(part)),
            0,
            {"share": wires.share(part), "weights": entries(part), "parameters": len(part)},
            (cure,),
            rank=0,
            explains=CONSEQUENCES,
        )


def _values(wires: Connectivity, part: Group) -> dict[str, object]:
    names = [name for name, _ in modules(part)]
    shown = names[:NAMED] if len(names) > NAMED + 1 else names
    more = Message(" and {count} more", {"count": len(names) - len(shown)}) if len(names) > len(shown) else ""
    return {"first": ", ".join(shown), "more": more, "share": f"{wires.share(part):.0%}"}


def _is_output(recording: Recording, held: Parameter) -> bool:
    """True for weights behind which no others stand: whatever their share, all that is learned passes them."""
    sites = [site for site in recording.sites.values() if site.parameter == held.name]
    return len(held.shape) > 1 and bool(sites) and all(site.tail for site in sites)


def _fails(recording: Recording) -> bool:
    outcomes = {outcome(recording, stream) for stream in recording.streams}
    return TrainingState.FAILED in outcomes and TrainingState.LEARNING not in outcomes


CONSEQUENCES = ("vanishing-gradient", "vanishing-through-time", "learning-rate-too-low", "poor-initialization")
"""What weights look like that do not move."""

NAMED = 3
"""Names of forgotten layers in the headline; all are listed as places."""

CUT = "Something between the weights and the loss cuts the graph: item(), detach(), argmax, NumPy, torch.tensor(loss)."
DISABLED = "Gradients are switched off here, by no_grad() or set_grad_enabled(False): no operation is recorded."

GRAPH = Cure(
    Message("Compute the loss from the network's output with torch operations alone"),
    "loss = loss_fn(model(x), y)  # no .item(), no torch.tensor(...), no requires_grad = True\nloss.backward()",
)
ENABLE = Cure(
    Message("Switch gradients on for training, and do not set requires_grad on the loss"),
    "with torch.enable_grad():\n    loss = loss_fn(model(x), y)\n    loss.backward()",
)
HOLD = Cure(
    Message("Give the optimizer all that is to be trained"),
    "optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)",
)
REMAKE = Cure(
    Message("Make the optimizer last, when the network is complete and on its device"),
    "model.fc = nn.Linear(512, 10)\noptimizer = torch.optim.Adam(model.parameters(), lr=1e-3)",
)
REGISTER = Cure(
    Message("Keep layers in a ModuleList or ModuleDict"),
    "self.layers = nn.ModuleList([nn.Linear(64, 64) for _ in range(3)])",
)
CONNECT = Cure(
    Message("Remove what cuts the graph; if the layer is to stay as it is, say so"),
    "features = encoder(x)  # no .detach(), no .data\n# on purpose: encoder.requires_grad_(False)",
)
UNUSED = Cure(
    Message("Call it without no_grad(), or say that it is not to be trained"),
    "features = model.backbone(x)  # or: model.backbone.requires_grad_(False)",
)
ORDER = Cure(
    Message("Zero the gradients before the backward pass, not behind it"),
    "optimizer.zero_grad()\nloss.backward()\noptimizer.step()",
)
