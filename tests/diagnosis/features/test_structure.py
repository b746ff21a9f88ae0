"""What a recording says of a network's build."""

from gradmedic.diagnosis.features.structure import (
    blocks,
    branch_ends,
    hidden_activations,
    hidden_matrices,
    weights_before,
)
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind, Site
from gradmedic.recording.sketch import parameter, site, sketch


def a_network() -> Recording:
    """Two residual blocks, a gate, a recurrent layer, and an output."""
    sites = [site("stem", "linear", parameter="stem.weight", module="stem")]
    before = "stem"
    for at in range(2):
        name = f"blocks.{at}"
        sites += [
            site(f"{name}.a", "linear", after=[before], parameter=f"{name}.a.weight", module=f"{name}.a"),
            site(f"{name}.a.tanh", "tanh", module=name),
            site(f"{name}.b", "linear", parameter=f"{name}.b.weight", module=f"{name}.b"),
            site(f"{name}.add", "add", after=[before, f"{name}.b"], kind=Kind.RESIDUAL, module=name),
        ]
        before = f"{name}.add"
    sites += [
        site("gate", "sigmoid", after=[before]),
        site("gated", "mul", after=["gate", before]),
        site("lstm.tanh", "tanh", module_type="LSTM", repeats=20),
        site("head", "linear", parameter="head.weight", tail=True),
        site("prob", "sigmoid", tail=True),
    ]
    owned = [parameter(s.parameter, shape=(8, 8), module_type="Linear") for s, *_ in sites if s.parameter]
    return sketch(sites, owned)


def names(sites: list[Site]) -> list[str]:
    return [found.name for found in sites]


def test_gates_cells_and_outputs_are_no_hidden_activations() -> None:
    assert names(hidden_activations(a_network(), {0})) == ["blocks.0.a.tanh", "blocks.1.a.tanh"]


def test_weights_are_found_before_their_activation_and_named_in_short() -> None:
    network = a_network()
    assert weights_before(network, hidden_activations(network, {0})) == ("blocks.*.a.weight",)


def test_branches_end_in_what_is_added_last() -> None:
    assert branch_ends(a_network()) == ("blocks.0.b.weight", "blocks.1.b.weight")


def test_blocks_are_what_repeats_under_numbers() -> None:
    assert blocks(a_network(), {0}) == ("blocks.*",)


def test_hidden_matrices_end_before_the_output() -> None:
    assert names(hidden_matrices(a_network(), {0}))[-1] == "blocks.1.b"


def test_a_raw_bias_is_the_vector_that_was_made_beside_its_matrix() -> None:
    sites = [site("W2", "matmul", parameter="W2"), site("act", "relu")]
    owned = [
        parameter(name, shape=shape) for name, shape in (("W1", (4, 8)), ("b1", (8,)), ("W2", (8, 5)), ("b2", (5,)))
    ]
    network = sketch(sites, owned)
    assert weights_before(network, hidden_activations(network, {0})) == ("W2", "b2")
