"""Reports drawn by hand, one for each kind of screen."""

from math import inf, nan

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.loss_progress import LossProgress
from gradmedic.diagnosis.report import Report
from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.site import Kind, Place
from gradmedic.recording.sketch import DrawnSite, ledger, parameter, site, sketch

RUN = {"script": "train.py", "argv": ["train.py"], "versions": {"gradmedic": "0.2.0", "torch": "2.13.0"}}


def tallies(steps: int, captures: int) -> Event:
    return Event("tallies", steps, {"steps": steps, "captures": captures, "spent": 0.42, "seconds": 30.0})


def vanishing(lang: str = "en") -> Report:
    """Twenty sigmoid layers: 17 decades gone between the loss and the first."""
    sites: list[DrawnSite] = []
    booked = [("loss", "mse_loss", -0.9), ("net.40", "linear", -0.1)]
    for depth in range(20):
        size = 10.0 ** (-2.0 - 0.85 * (19 - depth))
        sites.append(site(f"net.{2 * depth}", "linear", {"grad_rms": size}, file="train.py", line=4))
        sites.append(site(f"net.{2 * depth + 1}", "sigmoid", {"grad_rms": size * 4, "saturated": 0.1}))
        booked += [(f"net.{39 - 2 * depth}", "sigmoid", -0.62), (f"net.{38 - 2 * depth}", "linear", -0.19)]
    sites.append(site("net.40", "linear", {"grad_rms": 2e-2}, file="train.py", line=5))
    recording = sketch(
        sites,
        [parameter("net.0.weight", {"grad_rms": 1e-18})],
        losses=[0.7] * 300,
        ledgers=[ledger("net.0", *booked)],
        events=[tallies(300, 14)],
        run=RUN | {"settings": {"lang": lang}},
    )
    first = Place("net.0", "weights", "net.0.weight", "train.py", 4)
    finding = Finding(
        "vanishing-gradient",
        Severity.CRITICAL,
        Message(
            "The gradient vanishes over depth: the one reaching {first} is {times} times smaller than near {last}",
            {"first": "net.0", "times": "1e+16", "last": "net.40"},
        ),
        Message(
            "On the way back activations changed its size by {activations} decades and weights by {weights}.",
            {"activations": "-12.4", "weights": "-3.9"},
        ),
        (first, Place("net.2", "weights", "net.2.weight", "train.py", 4)),
        evidence={"decades": -16.15, "grad_rms_first": 7.1e-19, "grad_rms_last": 0.02},
        next=(
            Cure(Message("Use an activation whose slope is near one in the hidden layers"), "nn.ReLU()"),
            Cure(
                Message("Initialize the hidden layers so that they keep the signal's size"),
                "for layer in net:\n    if isinstance(layer, nn.Linear):\n"
                '        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")',
            ),
        ),
        rank=1,
    )
    low = Finding(
        "learning-rate-too-low",
        Severity.WARNING,
        Message("The first step changed these weights by {pace} times their own size.", {"pace": "3e-09"}),
        Message("Each layer passes on more than it gets."),
    )
    note = Finding(
        "disconnected-parameters",
        Severity.NOTE,
        Message("{name} and {n} more", {"name": "emb", "n": 2}),
        Message("Stay inside"),
    )
    return Report(
        recording, (finding.with_consequences(low), note), {0: LossProgress("stuck", 0.7, 0.7, 0.69, 0.01, 300)}
    )


def through_time() -> Report:
    """A recurrent net that forgets: the gradient fades over a hundred time steps."""
    waves = {"cell": [10.0 ** (-14 + 0.14 * at) for at in range(100)]}
    recording = sketch(
        [site("cell", "rnn", {"grad_rms": 1e-3}, repeats=100), site("head", "linear", {"grad_rms": 1e-2})],
        losses=[1.1, 1.0, 1.0, 1.0],
        profiles=waves,
        events=[tallies(200, 12)],
        run=RUN,
    )
    finding = Finding(
        "vanishing-through-time",
        Severity.WARNING,
        Message(
            "The gradient vanishes through time in {site}: it reaches back {horizon} of {steps} time steps",
            {"site": "cell", "horizon": 21, "steps": 100},
        ),
        Message(
            "Each step back keeps {keeps} of it; {horizon} steps earlier a thousandth is left.",
            {"keeps": "0.72", "horizon": 21},
        ),
        (Place("cell", "recurrent", "cell.weight_hh_l0", "/elsewhere/models/rnn.py", 31),),
        evidence={"decades_per_step": -0.14},
        next=(Cure(Message("Use a gated cell"), "nn.LSTM(input_size, hidden_size)"),),
    )
    return Report(recording, (finding,), {0: LossProgress("stuck", 1.1, 1.0, 1.0, 0.1, 200)})


def dead_relu() -> Report:
    """Units killed by one step, with the loss that jumped as its consequence."""
    names = [f"features.{at}" for at in range(12)]
    sites = [site(name, "relu", {"dead": [0.0, 0.9 if 4 < at < 9 else 0.1]}) for at, name in enumerate(names)]
    recording = sketch(sites, losses=[2.0, 1.5, 9.0, 2.3, 2.3], steps=[0, 40], events=[tallies(120, 9)], run=RUN)
    finding = Finding(
        "dead-relu",
        Severity.WARNING,
        Message(
            "{share} of the units of {site} died before step {step}: they are zero for every sample",
            {"share": "90%", "site": "features.6", "step": 40},
        ),
        Message(
            "A step before that changed weights by {pace} times their own size; the inputs' rms is {inputs}.",
            {"pace": "7.3", "inputs": "1"},
        ),
        tuple(Place(f"features.{at}", "activation", None, "train.py", 9) for at in (6, 5, 7, 8)),
        since_step=40,
        evidence={"dead": 0.9},
        next=(Cure(Message("Lower the learning rate"), "torch.optim.SGD(model.parameters(), lr=0.02)"),),
    )
    return Report(recording, (finding,), {0: LossProgress("stuck", 2.0, 2.3, 1.5, 0.2, 120)})


def non_finite() -> Report:
    """log of zero at step 6: the loss is NaN from there on."""
    recording = sketch(
        [site("log", "log", {"grad_rms": 1.0}), site("fc", "linear", {"grad_rms": 0.5})],
        losses=[2.3, 2.1, 1.8, 1.4, 1.3, 1.2, nan, nan, inf],
        events=[tallies(9, 4)],
        run=RUN,
    )
    finding = Finding(
        "non-finite",
        Severity.CRITICAL,
        Message(
            "The first non-finite value came at step {step}: {made} ({name}, {at})",
            {"step": 6, "made": Message("the {op} of 0", {"op": "log"}), "name": "log", "at": "train.py:10"},
        ),
        Message("A logarithm is -inf at 0, and its slope 1/x overflows before that."),
        (Place("log", "arithmetic", None, "train.py", 10),),
        since_step=6,
        evidence={"operand_min": 0.0, "operand_max": 0.98, "loss": nan, "op": "log"},
        next=(Cure(Message("Keep the operand away from 0"), "loss = -torch.log(p.clamp_min(1e-7)).mean()"),),
        rank=0,
    )
    return Report(recording, (finding,), {0: LossProgress("worse", 2.3, nan, 1.2, 0.1, 9)})


def healthy(*findings: Finding) -> Report:
    """A small net that learns."""
    names = ("conv1", "conv2", "head")
    sites = [site(name, "linear", {"grad_rms": 0.01 * (at + 1)}) for at, name in enumerate(names)]
    moving = parameter("conv1.weight", {"grad_rms": 0.01, "update_rms": 1e-4, "weight_rms": 0.1})
    recording = sketch(sites, [moving], losses=[2.3, 1.2, 0.4], events=[tallies(500, 14)], run=RUN)
    return Report(recording, findings, {0: LossProgress("learning", 2.31, 0.42, 0.4, 0.05, 500)})


def noted() -> Report:
    """The same net with a remark."""
    text = Message("Each step back multiplies it by {factor}.", {"factor": "1.30"})
    return healthy(Finding("exploding-gradient", Severity.NOTE, text, Message("Stay inside")))


def unclear() -> Report:
    """A script in which nothing was trained."""
    return Report(Recording(run=RUN))


def stuck() -> Report:
    """Nothing is wrong with the gradients, and the loss does not fall."""
    sites = [site("fc1", "linear", {"grad_rms": 0.02}), site("fc2", "linear", {"grad_rms": 0.1})]
    recording = sketch(sites, losses=[2.3] * 40, events=[tallies(40, 9)], run=RUN)
    return Report(recording, (), {0: LossProgress("stuck", 2.3, 2.3, 2.3, 0.01, 40, True)}, (0,))


def cut() -> Report:
    """A gradient that is exactly zero behind one operation."""
    stopped = Entry(1, "round", "round", Kind.ARITHMETIC, -inf)
    booked = Ledger("fc1", (Entry(2, "fc2", "linear", Kind.WEIGHTS, -0.5),), cut=stopped)
    sites = [site("fc1", "linear", {"grad_rms": 0.0}), site("fc2", "linear", {"grad_rms": 0.1})]
    finding = Finding(
        "disconnected-parameters",
        Severity.CRITICAL,
        Message("the slope of {op} at 0", {"op": "round"}),
        Message("Stay inside"),
        (Place("round", "arithmetic"), Place("fc1", "weights", "fc1.weight")),
    )
    return Report(sketch(sites, losses=[1.0] * 5, ledgers=[booked], run=RUN), (finding,))


SKETCHES = {
    "vanishing": vanishing(),
    "through_time": through_time(),
    "dead_relu": dead_relu(),
    "non_finite": non_finite(),
    "healthy": healthy(),
    "noted": noted(),
    "unclear": unclear(),
    "stuck": stuck(),
    "cut": cut(),
}
