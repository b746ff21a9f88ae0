"""Which activations can be swapped, and what is run for it."""

import pytest

from gradmedic.base.errors import ActivationError, ProbeError
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.sketch import DrawnSite, parameter, site, sketch
from gradmedic.treatment.remedies import remedy_from
from gradmedic.trials.comparison.comparison import RIGHT, SCRIPT
from gradmedic.trials.comparison.swaps import USUAL, canonical, hidden, swapped_for_itself, swaps

BOTH = (SCRIPT, RIGHT)


def layer(at: int, op: str) -> list[DrawnSite]:
    weights = site(f"fc{at}", "linear", parameter=f"fc{at}.weight", module=f"fc{at}", module_type="Linear")
    return [weights, site(f"act{at}", op, module=f"act{at}")]


def network(*ops: str) -> Recording:
    """A layer for each activation, then an output that is squashed."""
    sites = [drawn for at, op in enumerate(ops) for drawn in layer(at, op)]
    sites += [
        site("out", "linear", parameter="out.weight", tail=True),
        site("sigmoid", "sigmoid", {"saturated": 0.1}, tail=True),
    ]
    owned = [parameter(f"fc{at}.weight", shape=(4, 4), module_type="Linear") for at in range(len(ops))]
    return sketch(sites, [*owned, parameter("out.weight", shape=(1, 4), module_type="Linear")], losses=[1.0])


def test_hidden_activations_are_swapped_and_the_output_is_not() -> None:
    found = hidden(network("tanh", "tanh", "relu"))
    assert found.own == ("tanh", "relu")
    assert found.spots == ("act0/tanh", "act1/tanh", "act2/relu")
    assert found.weights() == ("fc0.weight", "fc1.weight", "fc2.weight")
    assert found.weights("relu") == ("fc2.weight",)


def test_each_activation_is_run_with_each_start_that_is_asked_for() -> None:
    found = hidden(network("tanh", "tanh"))
    made = swaps(found, ("relu", "gelu"), BOTH)
    assert [(one.activation, one.start) for one in made] == [
        ("relu", SCRIPT),
        ("relu", RIGHT),
        ("gelu", SCRIPT),
        ("gelu", RIGHT),
    ]
    swap, start = made[1].prescription.items
    assert (swap.remedy, swap.dose["to"], swap.dose["sites"]) == ("swap-activation", "relu", found.spots)
    assert (start.remedy, start.dose["activation"], start.dose["weights"]) == ("init-critical", "relu", found.weights())
    assert made[0].prescription.items == (swap,)


def test_the_own_activation_is_only_given_another_start() -> None:
    made = swaps(hidden(network("tanh", "tanh")), None, (RIGHT,))
    assert [one.activation for one in made] == ["tanh", *(name for name in USUAL if name != "tanh")]
    assert [item.remedy for item in made[0].prescription.items] == ["init-critical"]


def test_a_network_with_several_is_given_the_start_of_each_where_it_is() -> None:
    made = swaps(hidden(network("tanh", "relu")), None, (RIGHT,))
    assert made[0].activation == "tanh + relu"
    doses = [(item.dose["activation"], item.dose["weights"]) for item in made[0].prescription.items]
    assert doses == [("tanh", ("fc0.weight",)), ("relu", ("fc1.weight",))]
    assert {one.activation for one in made[1:]} == set(USUAL)


def test_without_names_for_the_weights_there_is_only_the_scripts_start() -> None:
    recording = sketch([site("matmul", "matmul"), site("tanh", "tanh", file="t.py", line=3), *layer(1, "relu")[:1]])
    assert {one.start for one in swaps(hidden(recording), None, (RIGHT,))} == {SCRIPT}


def test_every_prescription_can_be_filled() -> None:
    found = hidden(network("tanh", "relu"))
    for prescription in (swapped_for_itself(found), *(one.prescription for one in swaps(found, None, BOTH))):
        assert all(remedy_from(item).name == item.remedy for item in prescription.items)


def test_bounds_count_only_where_there_is_nothing_else() -> None:
    assert hidden(network("relu", "clamp")).spots == ("act0/relu",)
    assert hidden(network("clamp")).spots == ("act0/clamp",)


@pytest.mark.parametrize("op", ["glu", "maximum", "exp"])
def test_what_is_no_function_of_one_number_is_left_alone(op: str) -> None:
    with pytest.raises(ProbeError, match="no hidden activation that could be swapped"):
        hidden(network(op))


def test_a_gate_is_left_alone() -> None:
    gate = [
        site("fc", "linear", {"grad_rms": 1.0}),
        site("gate", "sigmoid"),
        site("mul", "mul", after=("gate", "fc")),
        site("o", "linear"),
    ]
    with pytest.raises(ProbeError, match="outputs, gates, attention and losses are left alone"):
        hidden(sketch(gate, losses=[1.0]))


def test_says_why_where_nothing_could_be_seen() -> None:
    with pytest.raises(ProbeError, match=r"torch\.compile hides"):
        hidden(sketch([site("fc", "linear", {"grad_rms": 1.0})], losses=[1.0], events=[Event("compiled", 0)]))
    with pytest.raises(ProbeError, match="no backward pass was seen"):
        hidden(Recording())


def test_names_are_those_of_torch_in_any_spelling() -> None:
    assert canonical(["ReLU", " silu", "swish", "leaky_relu(0.2)"]) == ("relu", "silu", "leaky_relu(0.2)")
    with pytest.raises(ActivationError, match="'gello'; did you mean 'gelu'"):
        canonical(["gello"])
