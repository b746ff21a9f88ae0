"""How an operation comes to make inf or NaN, and what to write instead."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, isnan, nan

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure
from gradmedic.recording.records import Event, Recording

LARGEST = {"float16": 65504.0, "bfloat16": 3.39e38, "float32": 3.40e38, "float64": 1.80e308}
"""The largest finite number of each type, as users know it."""


@dataclass(frozen=True)
class NonFiniteCause:
    """What was made (a noun phrase), why that happens, and the cures."""

    made: Message
    why: Message
    cures: tuple[Cure, ...]


@dataclass(frozen=True)
class _Facts:
    """What is known of the operation; NaN stands for an end of the operand's range that is not."""

    op: str
    phase: str
    low: float
    high: float
    dtype: str
    feeders: frozenset[str]
    parameter: str
    reason: str
    predicted: bool = False
    """Whether a layer makes the operand, and no sum or logarithm takes the result."""

    @property
    def backward(self) -> bool:
        return self.phase == "backward"

    @property
    def largest(self) -> str:
        return f"{LARGEST.get(self.dtype, LARGEST['float32']):.5g}"


def origin(recording: Recording, event: Event) -> NonFiniteCause:
    """The origin of the first non-finite value, from the operation and its operand's range."""
    found = _own(_facts(recording, event))
    if not event.data.get("hidden"):
        return found
    values = {"why": found.why}
    text = "{why} A mask or a selection keeps it from the loss, but 0 times it is NaN in the backward pass."
    return NonFiniteCause(found.made, Message(text, values), (Cure(_TWICE, _SAFE), *found.cures))


def at_the_edge(op: str, dtype: str) -> NonFiniteCause:
    """The origin that an operation would be whose operand had met the edge of its domain."""
    return _own(_Facts(op, "backward", nan, nan, dtype, frozenset(), "", "infinite-slope-at-one"))


def _own(facts: _Facts) -> NonFiniteCause:
    """The origin by phase, reason and operation."""
    if facts.phase in _BY_PHASE:
        return _BY_PHASE[facts.phase](facts)
    if facts.reason == "division-by-zero" or facts.op in ("div", "reciprocal"):  # rsqrt divides too
        return _too_large(facts) if facts.low > 0 or facts.high < 0 else _division(facts)
    if facts.op in _BY_OP:
        return _BY_OP[facts.op](facts)
    if facts.op in ("nll_loss", "mean", "var") and max(abs(facts.low), abs(facts.high)) < 1e3:
        return _of_nothing(facts)
    return _too_large(facts)


def _facts(recording: Recording, event: Event) -> _Facts:
    data = event.data
    site = recording.sites.get(data.get("site", -1))
    feeders = (
        frozenset(recording.sites[i].op for i in site.inputs if i in recording.sites) if site else frozenset[str]()
    )
    low, high = (float(data[end]) if data.get(end) is not None else nan for end in ("operand_min", "operand_max"))
    op = str(data.get("op") or (site.op if site else ""))
    dtype = str(data.get("dtype") or (site.dtype if site else "float32")).removeprefix("torch.")
    told = (str(data.get(key) or default) for key, default in (("phase", "forward"), ("parameter", ""), ("reason", "")))
    phase, parameter, reason = told
    predicted = site is not None and not {"sum", "log", "logsumexp"} & _takers(recording, site.id)
    return _Facts(op, phase, low, high, dtype, feeders, parameter, reason, predicted)


def _takers(recording: Recording, site: int) -> set[str]:
    """The operations that take what a site makes."""
    return {other.op for other in recording.sites.values() if site in other.inputs}


def _number(value: float, *, sign: int = 1) -> str:
    """The number, and where it is not known the kind of number that does this."""
    return f"{value:.3g}" if not isnan(value) else ("a negative number" if sign < 0 else "a large number")


def _input(facts: _Facts) -> NonFiniteCause:
    return NonFiniteCause(
        Message("inf or NaN in the input batch"),
        Message(
            "The data held it before the network touched it: a missing value, or a column divided by a spread of 0."
        ),
        (
            Cure(Message("Find the samples"), "bad = ~torch.isfinite(x).flatten(1).all(1)\nprint(bad.nonzero())"),
            Cure(Message("Fill missing values when the data set is built, not in the loop"), "x = torch.nan_to_num(x)"),
        ),
    )


def _parameter(facts: _Facts) -> NonFiniteCause:
    text = "The gradient was finite; the step that the optimizer made of it was not."
    slower = Cure(Message("Lower the learning rate, and limit the gradient before the step"), _CLIP)
    if facts.dtype == "float16":
        text = "Adam's eps of 1e-8 is 0 in float16, so a gradient of 0 is divided by 0."
        safe = Cure(Message("Keep the weights in float32 and let autocast choose the rest"), _AUTOCAST)
        return NonFiniteCause(Message("the step that wrote {parameter}", _owner(facts)), Message(text), (safe, slower))
    return NonFiniteCause(Message("the step that wrote {parameter}", _owner(facts)), Message(text), (slower,))


def _owner(facts: _Facts) -> dict[str, object]:
    return {"parameter": facts.parameter or "a parameter"}


def _log(facts: _Facts) -> NonFiniteCause:
    if facts.low < 0:
        positive = Cure(Message("Make the quantity positive by construction"), "rate = F.softplus(output) + 1e-6")
        made = Message("the {op} of {value}", {"op": facts.op, "value": _number(facts.low)})
        return NonFiniteCause(
            made, Message("A logarithm is NaN below 0, and nothing keeps its operand above."), (positive,)
        )
    made = Message("the {op} of 0", {"op": facts.op})
    if facts.backward:
        made = Message("the slope of {op} at 0", {"op": facts.op})
    if facts.feeders & {"softmax"}:
        text = (
            "The softmax underflowed: a probability of a wrong class rounds to 0 once logits differ by 104 in float32."
        )
        return NonFiniteCause(made, Message(text), (Cure(_STABLE, "log_p = torch.log_softmax(logits, dim=1)"),))
    if facts.feeders & {"sigmoid"}:
        text = "The sigmoid underflowed to 0, or rounded to 1 and 1 - p to 0: at logits beyond 17 in float32."
        code = "loss = F.binary_cross_entropy_with_logits(logits, target)"
        return NonFiniteCause(made, Message(text), (Cure(_STABLE, code),))
    away = Cure(Message("Keep the operand away from 0"), f"torch.{facts.op}(x.clamp(min=1e-6))")
    return NonFiniteCause(made, Message("A logarithm is -inf at 0, and its slope 1/x overflows before that."), (away,))


def _root(facts: _Facts) -> NonFiniteCause:
    half = LARGEST.get(facts.dtype, LARGEST["float32"]) ** 0.5
    if facts.op != "sqrt" and (facts.low < -half or facts.high > half):
        return _too_large(facts)
    if (facts.low < 0 or facts.reason == "outside-domain") and not facts.backward:
        made = Message("the {op} of {value}", {"op": facts.op, "value": _number(facts.low, sign=-1)})
        text = "Roots and fractional powers of negative numbers are NaN; rounding alone can put a difference below 0."
        return NonFiniteCause(
            made, Message(text), (Cure(Message("Keep the operand above 0"), "torch.sqrt(x.clamp(min=1e-12))"),)
        )
    if not facts.backward:
        return _too_large(facts)
    text = "The value is fine, but the slope is infinite at 0, and 0 times inf in the chain rule is NaN."
    inside = Cure(Message("Add a small number inside of the root, not behind it"), "torch.sqrt(x + 1e-12)")
    return NonFiniteCause(Message("the slope of {op} at 0", {"op": facts.op}), Message(text), (inside,))


def _division(facts: _Facts) -> NonFiniteCause:
    made, why = Message("a division by 0"), Message("Nothing keeps the divisor away from 0.")
    if facts.op in ("div", "reciprocal") and isnan(facts.low):
        made = Message("a division")
        why = Message("Its divisor is not known: it was 0, or too small for what is divided by it.")
    code = "x / y.clamp(min=1e-6)  # a y that may be negative: y + 1e-6 * torch.sign(y)"
    return NonFiniteCause(made, why, (Cure(Message("Keep the divisor away from 0"), code),))


def _exp(facts: _Facts) -> NonFiniteCause:
    made = Message("{op} of {value}", {"op": facts.op, "value": _number(facts.high)})
    text = "exp leaves float32 at 88.7 and float16 at 11.1."
    stable = Cure(
        Message("Stay with logarithms: logsumexp, log_softmax, softplus do not overflow"), "torch.logsumexp(x, dim=1)"
    )
    bound = Cure(Message("Bound a logarithm that the network predicts"), "std = torch.exp(log_std.clamp(-10, 10))")
    return NonFiniteCause(made, Message(text), (bound, stable) if facts.predicted else (stable, bound))


def _arc(facts: _Facts) -> NonFiniteCause:
    inside = (Cure(Message("Stay inside"), f"torch.{facts.op}(x.clamp(-1 + 1e-6, 1 - 1e-6))"),)
    if facts.reason == "infinite-slope-at-one":
        made = Message("the slope of {op} at -1 or 1", {"op": facts.op})
        return NonFiniteCause(made, Message("The value is fine, but the slope is infinite at both ends."), inside)
    made = Message("{op} of a number outside of -1 to 1", {"op": facts.op})
    return NonFiniteCause(made, Message("Rounding puts cosines a little beyond 1, where there is no angle."), inside)


def _spread(facts: _Facts) -> NonFiniteCause:
    """A standard deviation: of one sample, or of samples that are all alike."""
    if not facts.backward:
        return _of_nothing(facts)
    made = Message("the slope of {op} at 0", {"op": facts.op})
    text = "The value is fine, but the slope is infinite where all samples are alike, and 0 times inf is NaN."
    return NonFiniteCause(made, Message(text), (Cure(Message("Add a small number inside of the root"), _STD),))


def _angle(facts: _Facts) -> NonFiniteCause:
    made = Message("the slope of {op} at 0", {"op": facts.op})
    text = "The angle of the point (0, 0) has no slope: it divides 0 by 0."
    return NonFiniteCause(
        made, Message(text), (Cure(Message("Keep the point away from 0"), "torch.atan2(y, x + 1e-12)"),)
    )


def _alignment(facts: _Facts) -> NonFiniteCause:
    made = Message("{op} of a target that does not fit its input", {"op": facts.op})
    text = "A target needs as many steps as it has labels, and one more for each pair of equal neighbors."
    skip = Cure(Message("Count such samples as 0"), "nn.CTCLoss(zero_infinity=True)")
    find = Cure(Message("Find the samples"), "bad = input_lengths < target_lengths\nprint(bad.nonzero())")
    return NonFiniteCause(made, Message(text), (skip, find))


def _softmax(facts: _Facts) -> NonFiniteCause:
    if facts.dtype in ("float16", "bfloat16") and isfinite(facts.high):
        return _too_large(facts)
    made = Message("{op} over a row without a finite entry", {"op": facts.op})
    text = "Where every position is masked with -inf the softmax divides 0 by 0."
    code = "mask[..., 0] |= ~mask.any(-1)  # let at least one position through"
    return NonFiniteCause(made, Message(text), (Cure(Message("Never mask a whole row"), code),))


def _of_nothing(facts: _Facts) -> NonFiniteCause:
    made = Message("{op} over nothing", {"op": facts.op})
    text = "An average over no element is 0/0: an empty selection, a batch of ignored targets, a spread of one sample."
    return NonFiniteCause(
        made, Message(text), (Cure(Message("Leave such a batch out"), "if mask.any():\n    loss.backward()"),)
    )


def _too_large(facts: _Facts) -> NonFiniteCause:
    values = {"largest": facts.largest, "dtype": facts.dtype}
    if facts.dtype == "float16":
        text = "Errors above 256 have squares that float16 cannot hold, and sums overflow sooner."
        cure = Cure(
            Message("Compute the loss and other sums in float32"), "loss = loss_fn(output.float(), target.float())"
        )
        return NonFiniteCause(
            Message("a value beyond {largest}, which {dtype} cannot hold", values), Message(text), (cure, *_WIDER)
        )
    largest = max((abs(end) for end in (facts.low, facts.high) if isfinite(end)), default=nan)
    if isnan(largest):
        return _unknown(facts)
    made = Message("a value beyond {largest}, which {dtype} cannot hold", values)
    text = "The operands were finite but as large as {value}."
    smaller = Cure(Message("Bring inputs and targets to mean 0 and spread 1"), "x = (x - x.mean(0)) / x.std(0)")
    return NonFiniteCause(made, Message(text, {"value": _number(largest)}), (smaller,))


def _unknown(facts: _Facts) -> NonFiniteCause:
    """Nothing is said of operands that were not read."""
    made = Message("a value that is not finite, made by {op}", {"op": facts.op})
    if facts.backward:
        made = Message("a gradient that is not finite, made by {op}", {"op": facts.op})
    see = Cure(Message("Look at what goes into this operation at that step"), "print(x.min(), x.max())")
    return NonFiniteCause(made, Message("Its operands were not read, so the reason is not known."), (see,))


_CLIP = "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
_AUTOCAST = "with torch.autocast(x.device.type, dtype=torch.bfloat16):\n    loss = loss_fn(model(x), y)"
_STD = "std = (x.var(0) + 1e-12).sqrt()"
_SAFE = "safe = torch.where(valid, x, torch.ones_like(x))\ny = torch.where(valid, f(safe), other)"
_TWICE = Message("Replace the operand where the result is not used, before the operation")
_WIDER = (Cure(Message("Use bfloat16, which has the range of float32"), _AUTOCAST),)
_STABLE = Message("Take the logarithm and the probability in one stable operation")
_BY_PHASE: dict[str, Callable[[_Facts], NonFiniteCause]] = {"input": _input, "parameter": _parameter}
_BY_OP: dict[str, Callable[[_Facts], NonFiniteCause]] = {
    **dict.fromkeys(("log", "log2", "log10", "log1p"), _log),
    **dict.fromkeys(("sqrt", "rsqrt", "pow", "norm", "cdist"), _root),
    "std": _spread,
    "atan2": _angle,
    "ctc_loss": _alignment,
    **dict.fromkeys(("exp", "expm1"), _exp),
    **dict.fromkeys(("acos", "asin", "atanh"), _arc),
    **dict.fromkeys(("softmax", "log_softmax", "sdpa"), _softmax),
}
