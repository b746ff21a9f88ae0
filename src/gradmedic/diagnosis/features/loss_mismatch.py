"""How an output can miss its loss: what feeds the loss, against what the loss can take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log, log1p, prod
from statistics import median

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Site

RANGES: Mapping[str, tuple[float, float]] = {
    "softmax": (0.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu6": (0.0, 6.0),
    "relu": (0.0, inf),
    "softplus": (0.0, inf),
    "elu": (-1.0, inf),
    "gelu": (-0.17, inf),
    "silu": (-0.28, inf),
    "log_softmax": (-inf, 0.0),
    "log_sigmoid": (-inf, 0.0),
}
"""What activations can put out."""

SHORT_OF_LOGITS = {
    "log_softmax": {"softmax", "sigmoid", "hardsigmoid", "tanh", "relu", "relu6"},
    "logsumexp": {"softmax", "sigmoid", "hardsigmoid", "tanh", "relu", "relu6"},
    "binary_cross_entropy_with_logits": set(RANGES) - {"elu", "gelu", "silu"},
}
"""Operations that want any real number, and what does not give it. A log_softmax of a log_softmax is
the same once more, and only differences count for it, so that one-sided outputs will do."""

BINARY = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
DISTANCES = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
LIKELIHOODS = {"nll_loss", "kl_div"}
NO_LIKELIHOOD = {"softmax", "sigmoid", "linear", "conv"}
NO_PROBABILITY = {"relu", "tanh", "linear", "conv"}


@dataclass(frozen=True)
class OutputMismatch:
    """An output that misses its loss: the operation at fault, in words and numbers."""

    last: Site
    message: Message
    why: Message
    evidence: Mapping[str, float | str]
    cures: tuple[Cure, ...]


def misfit(recording: Recording, end: Site, beyond: float, floor: float) -> OutputMismatch | None:
    """What is wrong with the tail operation `end` and what feeds it, if anything is."""
    feeds = [recording.sites[i] for i in end.inputs if i in recording.sites]
    crossed = _crossed(recording, end, feeds)
    if crossed is not None:
        return crossed
    if end.op in BINARY and (odd := _no_share(recording, end, feeds)) is not None:
        return odd
    if end.op == "softmax":
        return _constant(recording, end)
    if end.op in LIKELIHOODS:
        return _unnormalized(recording, end, feeds)
    if end.op == "binary_cross_entropy":
        return _no_probability(recording, end, feeds)
    # Two signals, of which one has the whole range, can meet: a gate, a residual, two networks compared.
    if not feeds or not all(feed.tail and feed.op in RANGES for feed in feeds):
        return _residual(recording, end, feeds, beyond)
    if end.op in SHORT_OF_LOGITS:
        return _no_logits(end, feeds[0], floor)
    return _out_of_reach(recording, end, feeds[0], beyond) if end.op in DISTANCES else None


def _crossed(recording: Recording, end: Site, feeds: Sequence[Site]) -> OutputMismatch | None:
    """An output of shape (N, 1) against targets of shape (N,): all N x N differences are taken."""
    subtracted = [feed for feed in feeds if feed.op == "sub"] if end.op in ("pow", "abs") else []
    if subtracted:
        counts = [float(prod(subtracted[0].shape))]
        feeds = [recording.sites[i] for i in subtracted[0].inputs if i in recording.sites]
    else:
        counts = [n for _, n in recording.site_series(end.id, "input_count")] if end.op in DISTANCES else []
    if not counts or len(feeds) != 1:
        return None
    size = prod(feeds[0].shape)
    if size < 2 or feeds[0].shape[0] != size or counts[0] != size * size:
        return None
    values = {"last": feeds[0].name, "count": f"{size:,}"}
    text = "{last} gives {count} outputs, but the loss compares each of them with all {count} targets"
    why = "Shapes (N, 1) and (N,) are broadcast to (N, N). The best answer to that is the mean of all targets."
    cure = Cure(Message("Give output and target the same shape"), "loss = loss_fn(output.squeeze(1), target)")
    return OutputMismatch(
        feeds[0], Message(text, values), Message(why), {"outputs": size, "compared": counts[0]}, (cure,)
    )


def _no_share(recording: Recording, end: Site, feeds: Sequence[Site]) -> OutputMismatch | None:
    """Targets of a binary cross-entropy that are no probabilities: classes counted from 1, or -1 and 1."""
    lows, highs = ([n for _, n in recording.site_series(end.id, f"target_{side}")] for side in ("min", "max"))
    least, most = min(lows, default=0.0), max(highs, default=1.0)
    if least >= 0 and most <= 1:
        return None
    values = {"loss": end.op, "targets": _span(least, most)}
    text = "{loss} wants targets between 0 and 1, but they span {targets}"
    why = "Beyond 0 and 1 the loss has no lower bound: it rewards ever larger outputs, whatever the input."
    cure = Cure(Message("Give it the classes 0 and 1"), "target = (target > threshold).float()")
    evidence = {"target_min": least, "target_max": most}
    return OutputMismatch(feeds[0] if feeds else end, Message(text, values), Message(why), evidence, (cure,))


def _constant(recording: Recording, end: Site) -> OutputMismatch | None:
    lows = [low for _, low in recording.site_series(end.id, "value_min")]
    if not lows or min(lows) < 1 - 1e-6:
        return None
    text = "{last} is a softmax over a single unit: it is always 1"
    why = "A softmax shares out 1 among its entries. With one entry nothing can change it, and no gradient passes."
    cure = Cure(Message("Use a sigmoid for a single unit, or its stable form on the raw output"), _BINARY)
    return OutputMismatch(end, Message(text, {"last": end.name}), Message(why), {"value_min": min(lows)}, (cure,))


def _no_logits(end: Site, last: Site, floor: float) -> OutputMismatch | None:
    if last.op not in SHORT_OF_LOGITS[end.op]:
        return None
    binary = end.op == "binary_cross_entropy_with_logits"
    low, high = RANGES[last.op]
    classes = end.shape[1] if len(end.shape) > 1 and not binary else 2
    guess = log(max(classes, 2))
    best = (log1p(exp(-high)) + log1p(exp(low))) / 2 if binary else log1p((classes - 1) * exp(low - high))
    if best < floor * guess and high < inf:
        return None
    values = {
        "last": last.name,
        "op": last.op,
        "loss": _CONSUMER[end.op],
        "best": f"{best:.2f}",
        "guess": f"{guess:.2f}",
    }
    why = (
        "The loss makes probabilities of logits itself. Fed like this it cannot fall below {best}; a guess has {guess}."
    )
    if high == inf:
        why = "It should be any real number. No logit can be negative now, and where it is cut no gradient passes."
    cure = Cure(Message("Leave out the {op}: give the loss the output of the last layer", values), _LOGITS[binary])
    text = "{last} feeds {loss} with the output of {op}, but the loss wants logits"
    return OutputMismatch(
        last, Message(text, values), Message(why, values), {"best_loss": best, "guess_loss": guess}, (cure,)
    )


def _unnormalized(recording: Recording, end: Site, feeds: Sequence[Site]) -> OutputMismatch | None:
    highs = [high for _, high in recording.site_series(end.id, "input_max")]
    positive = bool(highs) and median(highs) > 1e-3
    if not positive and (highs or not feeds or any(feed.op not in NO_LIKELIHOOD for feed in feeds)):
        return None
    last = feeds[0] if feeds else end
    values = {"last": last.name, "loss": end.op, "high": f"{max(highs):.3g}" if highs else "1"}
    text = "{last} feeds {loss} with numbers up to {high}, but a log-probability is never above 0"
    why = "Without a log_softmax in between, the loss rewards large outputs: it falls forever and says nothing."
    cure = Cure(Message("Use the loss that contains the log_softmax"), _LOGITS[False])
    if end.op == "kl_div":
        cure = Cure(Message("Give kl_div log-probabilities"), "F.kl_div(F.log_softmax(output, dim=1), target)")
    evidence = {"input_max": max(highs)} if highs else {"feeds": last.op}
    return OutputMismatch(last, Message(text, values), Message(why), evidence, (cure,))


def _no_probability(recording: Recording, end: Site, feeds: Sequence[Site]) -> OutputMismatch | None:
    last = feeds[0] if len(feeds) == 1 else None
    if last is not None and last.op in ("clamp", "hardtanh"):
        behind = [recording.sites[i] for i in last.inputs if i in recording.sites]
        if not behind or any(site.op not in NO_PROBABILITY for site in behind):
            return None
    elif last is None or last.op not in NO_PROBABILITY:
        return None
    values = {"last": last.name, "op": last.op}
    text = "{last} feeds binary_cross_entropy with the output of {op}, which is no probability"
    why = "Cut to 0..1 instead of squashed, an output that is sure and wrong gets no gradient, or an infinite one."
    cure = Cure(Message("Use the loss that contains the sigmoid"), _BINARY)
    return OutputMismatch(last, Message(text, values), Message(why), {"feeds": last.op}, (cure,))


def _out_of_reach(recording: Recording, end: Site, last: Site, beyond: float) -> OutputMismatch | None:
    low, high = RANGES[last.op]
    lows, highs = ([n for _, n in recording.site_series(end.id, f"target_{end_}")] for end_ in ("min", "max"))
    if not lows or not highs or median(highs) <= median(lows):
        return None
    least, most = median(lows), median(highs)
    outside = (max(0.0, low - least) + max(0.0, most - high)) / (most - least)
    if outside < beyond:
        return None
    values = {"last": last.name, "range": _span(low, high), "targets": _span(least, most), "op": last.op}
    text = "{last} can put out {range}, but the targets span {targets}"
    why = "What lies outside can never be met; the network is driven to the end of its range, where {op} is flat."
    evidence = {"target_min": least, "target_max": most, "outside": outside}
    return OutputMismatch(last, Message(text, values), Message(why, values), evidence, _reach(last))


def _residual(recording: Recording, end: Site, feeds: Sequence[Site], beyond: float) -> OutputMismatch | None:
    """The same for a loss that is written by hand: the error is larger than the output's whole range."""
    if end.op not in ("pow", "abs") or [feed.op for feed in feeds] != ["sub"]:
        return None
    behind = [recording.sites[i] for i in feeds[0].inputs if i in recording.sites]
    if len(behind) != 1 or behind[0].op not in RANGES or not behind[0].tail:
        return None
    if recording.site_series(feeds[0].id, "target_min"):
        return _out_of_reach(recording, feeds[0], behind[0], beyond)
    low, high = RANGES[behind[0].op]
    errors = [max(abs(row.get("input_min", 0.0)), abs(row.get("input_max", 0.0))) for row in _rows(recording, end)]
    if not errors or median(errors) <= (high - low) * (1 + beyond):
        return None
    values = {"last": behind[0].name, "range": _span(low, high), "error": f"{median(errors):.3g}", "op": behind[0].op}
    text = "{last} can put out {range}, but misses its targets by up to {error}"
    why = "What lies outside can never be met; the network is driven to the end of its range, where {op} is flat."
    return OutputMismatch(
        behind[0], Message(text, values), Message(why, values), {"error": median(errors)}, _reach(behind[0])
    )


def _rows(recording: Recording, site: Site) -> list[Mapping[str, float]]:
    rows = [capture.sites.get(site.id, {}) for capture in recording.captures]
    return [row for row in rows if "input_max" in row]


def _reach(last: Site) -> tuple[Cure, ...]:
    values = {"op": last.op}
    return (
        Cure(Message("Leave out the {op} behind the last layer", values), "output = self.out(features)"),
        Cure(Message("Or scale the targets to the range of {op}, with the training set's numbers", values), _SCALE),
    )


def _span(low: float, high: float) -> str:
    return f"{low:.3g}..{high:.3g}" if high < inf else f"{low:.3g}.."


_CONSUMER = {
    "log_softmax": "the cross-entropy",
    "logsumexp": "the cross-entropy",
    "binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits",
}
_BINARY = "loss = F.binary_cross_entropy_with_logits(logits, target)"
_LOGITS = {True: _BINARY, False: "loss = F.cross_entropy(logits, target)"}
_SCALE = "y = (y - y_train.min()) / (y_train.max() - y_train.min())"
