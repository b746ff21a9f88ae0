"""The page of an activation or gate: its docstring, its names, and its numbers as they are computed."""

from collections.abc import Iterator
from dataclasses import fields
from inspect import cleandoc
from math import isinf, sqrt

import torch

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.render.manual.plot import portrait
from gradmedic.theory.activations import Activation, Gate, activation, gate
from gradmedic.theory.activations.curve_shape import Dies
from gradmedic.theory.activations.panels import value_and_slope
from gradmedic.theory.kernels.gate_moments import gate_moments
from gradmedic.theory.kernels.moments import moments
from gradmedic.theory.kernels.traits import FLAT, Traits, traits
from gradmedic.theory.meanfield import MeanField, decades_per_10_layers, depth_scale

ROUNDING = 1e-14
"""Size of a mean of numbers near one that rounding alone leaves."""

REACH = 4.0
SIZES = (0.1, 1.0, 10.0)
STARTS = (
    (Message("torch's default, width 256"), 1 / 3, 1 / (3 * 256)),
    (Message("Xavier"), 1.0, 0.0),
    (Message("He"), 2.0, 0.0),
)
"""Initializations of a linear layer: the variance of a weight times fan-in, and that of a bias."""
DEATHS = {
    Dies.NO: "Units cannot die: some gradient passes everywhere.",
    Dies.SOFT: "Units saturate: the slope goes to zero, but never quite.",
    Dies.HARD_ONE_SIDED: "Units can die: on one side the slope is zero.",
    Dies.HARD_TWO_SIDED: "Units can die: on both sides the slope is zero.",
    Dies.DEAD_ZONE: "Around zero neither signal nor gradient passes.",
}


def page(name: str, lang: str = "en", encoding: str = "utf-8", width: int = 76) -> str:
    """The page in Markdown, its picture in characters that a stream of that encoding can carry."""
    known: Activation | Gate = gate(name) or activation(name)
    told = [_heading(line, lang) for line in cleandoc(type(known).__doc__ or "").splitlines()]
    drawn = [] if isinstance(known, Gate) else ["", "```text", *picture(known, width, encoding), "```"]
    numbers = _of_gate(known) if isinstance(known, Gate) else _of_activation(known, lang)
    lines = [f"# {name}", *drawn, "", *told, "", f"## {translator(lang)('Numbers')}", "", *numbers]
    return "\n".join([*lines, "", *_names(known, lang)]).rstrip() + "\n"


def picture(phi: Activation, width: int, encoding: str) -> list[str]:
    """The function and its slope beside each other, from -4 to 4."""
    x = torch.linspace(-REACH, REACH, 401, dtype=torch.float64, device="cpu")
    room = (width - 4) // 2
    halves = []
    for title, values in zip(("f(x)", "f'(x)"), value_and_slope(phi.expected.f, x), strict=True):
        rows = [title.center(room), *portrait(values.tolist(), room, 8, encoding)]
        halves.append([*rows, f"x = {-REACH:g} … {REACH:g}".rjust(room)])
    return [f"{left:{room}}    {right}".rstrip() for left, right in zip(*halves, strict=True)]


def _heading(line: str, lang: str) -> str:
    marks, _, text = line.partition(" ")
    return f"{marks} {translator(lang)(text)}" if marks and not marks.strip("#") else line


def _of_activation(phi: Activation, lang: str) -> Iterator[str]:
    told = translator(lang)("mean square q")
    yield f"| {told} | E f | E f² | E f'² | 1/√(E f²) | 1/√(E f'²) |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: |"
    for q in SIZES:
        m = moments(phi, q)
        gains = [f"{value**-0.5:.4g}" if value > 0 else "∞" for value in (m.m2, m.d2)]
        yield f"| {q:g} | {_mean(m.m1)} | {m.m2:.4g} | {m.d2:.4g} | {' | '.join(gains)} |"
    yield ""
    yield from (f"- {say(message, lang)}" for message in _facts(phi, traits(phi)))
    yield ""
    yield from _depths(phi, lang)


def _depths(phi: Activation, lang: str) -> Iterator[str]:
    """What a deep plain network makes of a gradient, where its input of mean square 1 has settled."""
    _ = translator(lang)
    yield f"| {_('initialization')} | {_('depth scale (layers)')} | {_('decades in ten layers')} |"
    yield "| --- | ---: | ---: |"
    for name, weights, biases in STARTS:
        field = MeanField(phi, weights, biases)
        chi = field.chi(field.settled())
        yield f"| {say(name, lang)} | {_layers(chi)} | {_decades(chi)} |"


def _decades(chi: float) -> str:
    """What ten layers make of a gradient's norm."""
    decades = decades_per_10_layers(chi)
    return "-∞" if isinf(decades) else f"{decades:+.2g}" if abs(decades) > 1e-4 else "0"


def _layers(chi: float) -> str:
    """Layers in which a squared gradient changes e times."""
    scale = depth_scale(chi)
    return "∞" if isinf(scale) or abs(scale) > 1e5 else f"{abs(scale):.3g}"


def _mean(value: float) -> str:
    """A mean; what is only the rounding of a sum, which differs from machine to machine, is zero."""
    return f"{value if abs(value) > ROUNDING else 0.0:.4g}"


def _facts(phi: Activation, known: Traits) -> Iterator[Message]:
    yield Message(
        "Steepest slope: {steepest}.", {"steepest": "∞" if isinf(known.steepest) else f"{known.steepest:.4g}"}
    )
    if known.flat_share > 1e-4:
        text = "The slope is below {flat} for {share} of inputs of mean square 1."
        yield Message(text, {"flat": FLAT, "share": f"{known.flat_share:.2%}"})
    yield Message(DEATHS[known.dies])
    yield _critical(known)
    text = "A plain layer multiplies the squared gradient by {ln} with LayerNorm before it, by {bn} with BatchNorm."
    yield Message(text, {"ln": f"{known.ln_chi:.4g}", "bn": f"{known.bn_chi:.4g}"})


def _critical(known: Traits) -> Message:
    if known.critical is None:
        return Message("No critical initialization: no weights and biases keep both signal and gradient.")
    at = known.critical
    values = {
        "gain": f"{at.sigma_w:.4g}",
        "bias": f"{sqrt(at.sigma_b2):.3g}",
        "q": f"{at.q_star:.4g}",
        "slope": f"{at.slope:.4g}",
    }
    grows = "Critical: gain {gain}, bias std {bias}, at mean square {q}; a deviation in size is multiplied by {slope}."
    return Message(grows, values)


def _of_gate(gate: Gate) -> Iterator[str]:
    yield "| q | E y² | E y⁴ | E (dy/du)² | E (dy/dv)² |"
    yield "| ---: | ---: | ---: | ---: | ---: |"
    for q in SIZES:
        m = gate_moments(gate, q)
        yield f"| {q:g} | {m.y2:.4g} | {m.y4:.4g} | {m.dy_du2:.4g} | {m.dy_dv2:.4g} |"


def _names(known: Activation | Gate, lang: str) -> Iterator[str]:
    """What it goes by, and its parameters with their values."""
    modules = [f"`nn.{name}`" for name in known.modules]
    functions = [f"`{name}`" for name in known.functions]
    others = [f"`{name}`" for name in getattr(known, "also", ())]
    parameters = [f"`{f.name} = {getattr(known, f.name)!r}`" for f in fields(known)]  # type: ignore[arg-type]
    _ = translator(lang)
    rows = [
        (_("Module"), modules),
        (_("Functions"), functions),
        (_("Other names"), others),
        (_("Parameters"), parameters),
    ]
    if any(told for _title, told in rows):
        yield from (f"## {_('Names')}", "")
    yield from (f"- {title}: {', '.join(told)}" for title, told in rows if told)
