"""The columns of a recording and what each number means; `make docs` writes them into `reference/recording.md`."""

from collections.abc import Mapping
from typing import NamedTuple

VITALS = {
    "index": "position among all vitals of the rank: gaps show where rows have been thinned out",
    "step": "optimizer steps that were taken before",
    "stream": "the place in the script where backward was called",
    "time": "seconds since the run began",
    "loss": "the loss, without the factor of a GradScaler",
    "grad_norm": "global L2 norm of the gradient before clipping",
    "max_norm": "the norm that it was clipped to",
    "lr": "learning rate of the optimizer's first group",
    "scale": "the factor of a GradScaler",
    "skipped": "true if the GradScaler skipped the step",
}

SITE_READINGS = {
    "grad_rms": "root mean square, per element, of the gradient that arrives at the operation's output",
    "grad_norm": "L2 norm of the same gradient, over the whole batch",
    "grad_zero": "share of its entries that are exactly zero",
    "grad_bad": "share of its entries that are not finite",
    "value_rms": "root mean square of the forward output, of its finite entries like the next three",
    "value_mean": "mean of the forward output",
    "value_min": "its smallest entry",
    "value_max": "its largest entry",
    "value_zero": "share of its entries that are exactly zero",
    "value_bad": "share of its entries that are not finite",
    "input_rms": "root mean square of the tensor that weights, log, sqrt, ... are applied to",
    "input_mean": "mean of that tensor",
    "input_min": "its smallest entry",
    "input_max": "its largest entry",
    "input_zero": "share of its entries that are exactly zero",
    "input_bad": "share of its entries that are not finite",
    "input_count": "number of its entries",
    "saturated": "share of entries where the activation's slope is under 5 % of its largest slope; for a softmax: "
    "share of rows whose largest probability is over 0.99",
    "score_scale": "of a fused attention: what its scores are multiplied by, in units of 1 / root of the width",
    "silent": "share of units that were zero for the whole batch, here",
    "dead": "share of units that have been zero in every capture so far",
    "running": "1 for a batch normalization by running statistics (eval mode), 0 by those of the batch",
    "untouched": "1 if these statistics are still those of a new layer: mean 0, variance 1",
    "target_min": "smallest entry of a loss's target, or of the difference that a loss by hand begins with",
    "target_max": "largest entry of the same",
    "loss": "what the operation adds to the loss that backward began with, in the unit of that loss",
    "guess": "what that would be on this batch for the best constant outputs: variance, or entropy of the targets",
    "gain": "decades from the gradient at the output to that at the input (log10 of norms)",
    "gate_input": "share of entries of an LSTM's input gate that are saturated",
    "gate_forget": "the same of its forget gate",
    "gate_cell": "the same of its cell candidate",
    "gate_output": "the same of its output gate",
    "gate_reset": "share of entries of a GRU's reset gate that are saturated",
    "gate_update": "the same of its update gate",
    "gate_candidate": "the same of its candidate",
    "gate_tanh": "share of entries of a plain recurrent layer's tanh that are saturated",
    "forget_mean": "mean of the gate that keeps the state of a recurrent layer",
}

PARAMETER_READINGS = {
    "grad": "1 if it has a gradient after the backward pass, else 0",
    "grad_rms": "root mean square, per element, of the gradient that the optimizer is given, before clipping",
    "grad_norm": "L2 norm of the same gradient",
    "grad_zero": "share of its entries that are exactly zero",
    "grad_bad": "1 if it has entries that are not finite",
    "clipped_rms": "root mean square of the same gradient as the optimizer finds it",
    "weight_rms": "root mean square of the weights before the step",
    "update_rms": "root mean square of the difference that the step really made",
    "twins": "share of units (rows) that equal another unit, bit by bit",
}

OF_CAPTURE = {"capture": "position among all captures of the rank", "step": VITALS["step"], "stream": VITALS["stream"]}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "sites": {
        "id": "number of the operation, the same at every capture",
        "name": "its name in the network",
        "kind": "what it is to the gradient: activation, weights, normalization, ...",
        "op": "the operation as a user would call it: relu, linear, log, ...",
        "stream": "the stream in whose graph it is",
        "module": "path of the module that it is in",
        "module_type": "class of that module",
        "parameter": "name of the weights that it applies",
        "file": "the user's file",
        "line": "the line there",
        "order": "position in the forward pass",
        "inputs": "the sites that feed it, shape operations left out",
        "shape": "shape of its output",
        "dtype": "number format of its output",
        "repeats": "how often one forward pass runs it: time steps of a recurrent net, branches of a siamese one",
        "fan_in": "fan-in of the weights that it applies",
        "tail": "true if no weights stand between it and the loss: it is the output, or part of the loss",
        "expected_value": "rms of its output that theory expects before training",
        "expected_grad": "rms of the gradient that theory expects there before training",
        "expected_gain": "decades by which theory expects the gradient's norm to change there, with its weights",
        "critical_gain": "the same with critical weights",
    },
    "parameters": {
        "id": "number of the tensor, the same at every capture",
        "name": "its name in the network",
        "shape": "its shape",
        "dtype": "its number format",
        "requires_grad": "true if it asks for a gradient",
        "optimizer": "the optimizer that holds it, in order of appearance; null if none does",
        "called": "true if the module that owns it took part in a forward pass that was recorded for the gradient",
        "registered": "true if a module that the optimizer knows owns it: false for layers in a plain Python list",
        "declared": "true for an nn.Parameter, false for any other tensor that asks for its gradient",
        "sharded": "true if it is a part of a tensor that lies on several processes, or holds several tensors in one",
        "module_type": "class of the module that owns it",
        "aliases": "its other names",
    },
    "streams": {
        "id": "number of the stream",
        "name": "its name",
        "file": "the file where backward is called",
        "line": "the line there",
    },
    "optimizers": {
        "id": "number of the optimizer, in order of appearance",
        "name": "its class",
        "options": "its numeric defaults: momentum, weight_decay, ...",
        "parameters": "number of tensors that it holds",
    },
    "events": {
        "index": "position among all events",
        "kind": "what happened: see below",
        "slot": "number of the event among those of its kind; the newest beyond 999 share one",
        "step": VITALS["step"],
        "data": "the facts, by kind: see below",
    },
    "vitals": VITALS,
    "captures": {**OF_CAPTURE, "time": VITALS["time"], "loss": VITALS["loss"]},
    "readings-sites": {**OF_CAPTURE, "site": "id of the site", **SITE_READINGS},
    "readings-parameters": {**OF_CAPTURE, "parameter": "id of the parameter", **PARAMETER_READINGS},
    "profiles": {
        **OF_CAPTURE,
        "site": "id of the site",
        "time": "the time step",
        "grad_rms": "root mean square, per element, of the gradient that arrives there",
    },
    "ledgers": {
        **OF_CAPTURE,
        "ledger": "position within the capture",
        "target": "name of the parameter at which the ledger ends",
        "role": "`start` (log10 of the gradient's norm where the ledger begins), `entry` (one operation), or `cut` "
        "(the operation behind which the gradient is exactly zero)",
        "decades": "log10 of the gain; over `start` and `entry` they add up to log10 of the norm at `target`",
        "site": "id of the site of an entry or a cut",
        "name": "its name",
        "op": "its operation; `junction` where the gradients of several uses add up",
        "kind": "its kind",
    },
}
"""What each column of each table means. `nonfinite`, which any row may have, names its numbers that are not finite."""


class EventKind(NamedTuple):
    """What a kind of event says, and the facts in its `data`; absent where they could not be taken."""

    meaning: str
    data: Mapping[str, str]


EVENTS = {
    "non-finite": EventKind(
        "the first operation that made inf or NaN",
        {
            "phase": "where: forward, backward, input, parameter",
            "stream": "in which stream",
            "site": "id of its site",
            "name": "its name",
            "op": "its operation",
            "dtype": "its number format",
            "operand_min": "smallest finite entry of its operand",
            "operand_max": "largest finite entry of its operand",
            "operand_zero": "true if a zero is among them",
            "file": "the user's file",
            "line": "the line there",
            "parameter": "name of the weights that it applies",
            "reason": "a short code for the cause",
            "hidden": "true if the loss itself was finite: a mask or a selection kept the value from it",
        },
    ),
    "stale-gradients": EventKind(
        "an optimizer stepped for the third time on gradients that nobody had zeroed",
        {"optimizer": "its id, null for updates by hand"},
    ),
    "no-graph": EventKind(
        "backward was called on a loss that no weight leads to",
        {
            "stream": "in which stream",
            "passes": "how many such passes there had been",
            "enabled": "whether autograd was switched on",
        },
    ),
    "compiled": EventKind("torch.compile hides the operations; only parameters are measured", {}),
    "tallies": EventKind(
        "the counters so far; the last one counts",
        {
            "steps": "optimizer steps",
            "backwards": "backward passes",
            "captures": "captures",
            "stale_steps": "steps on gradients that nobody had zeroed",
            "skipped_steps": "steps that a GradScaler skipped",
            "nonfinite_losses": "losses that were not finite",
            "clip_calls": "calls of clip_grad_norm_",
            "clip_bites": "calls that made the gradient smaller",
            "clip_idle": "calls at which no gradient was there that a step had not used",
            "clip_scaled": "calls at which the gradient carried a scaler's factor",
            "spent": "seconds that gradmedic took",
            "seconds": "seconds of the run",
        },
    ),
    "unforeseen": EventKind(
        "theory could not say what to expect of a stream", {"stream": "which stream", "error": "the error"}
    ),
    "failure": EventKind(
        "something of gradmedic's own failed and was left out", {"part": "which part", "error": "the error"}
    ),
    "remedy": EventKind("a remedy that the run was under", {"remedy": "its name", "dose": "its options"}),
    "refused": EventKind(
        "a remedy that could not be given, or not to the end", {"remedy": "its name", "reason": "why"}
    ),
    "note": EventKind("a remark for the report", {"text": "the remark"}),
}
"""What may happen once in a run. In the recording of several ranks `data` has the `rank` too."""
