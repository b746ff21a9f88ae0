"""Recordings that are drawn by hand look like those that were seen."""

import doctest

import gradmedic.recording.sketch
from gradmedic.recording.records import Event
from gradmedic.recording.site import Kind
from gradmedic.recording.sketch import ledger, parameter, site, sketch


def test_the_example_is_true() -> None:
    assert doctest.testmod(gradmedic.recording.sketch).failed == 0


def test_columns_become_captures_and_losses_become_vitals() -> None:
    drawn = sketch(
        [site("fc", "linear", {"grad_rms": [1.0, None, 3.0]})], losses=[5.0, 4.0], grad_norms=[0.1, 0.2, 0.3], lr=0.5
    )
    assert drawn.site_series(0, "grad_rms") == [(0, 1.0), (2, 3.0)]
    assert drawn.losses(0) == [(0, 5.0), (1, 4.0)]
    assert [capture.loss for capture in drawn.captures] == [5.0, 4.0, None]
    assert [(vital.grad_norm, vital.lr) for vital in drawn.vitals] == [(0.1, 0.5), (0.2, 0.5), (0.3, 0.5)]


def test_sites_are_chained_unless_told_otherwise() -> None:
    sites = [
        site("a", "linear"),
        site("b", "relu"),
        site("sum", "add", after=["a", "b"]),
        site("D", "linear", stream=1),
    ]
    drawn = sketch(sites)
    assert [found.inputs for found in drawn.sites.values()] == [(), (0,), (0, 1), ()]
    assert [found.kind for found in drawn.sites.values()] == [
        Kind.WEIGHTS,
        Kind.ACTIVATION,
        Kind.ARITHMETIC,
        Kind.WEIGHTS,
    ]


def test_each_stream_has_captures_of_its_own() -> None:
    sites = [site("G", "linear", {"grad_rms": 1.0}), site("D", "linear", {"grad_rms": [2.0, 3.0]}, stream=1)]
    drawn = sketch(sites, losses={0: [1.0, 1.0], 1: [2.0]})
    assert [(capture.step, capture.stream) for capture in drawn.captures] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(drawn.captures_of(1)[0].sites) == [1]
    assert drawn.losses(1) == [(0, 2.0)]


def test_parameters_have_a_gradient_and_an_optimizer() -> None:
    drawn = sketch([], [parameter("w", {"grad_rms": [0.1, 0.2]}), parameter("v", optimizer=None)], steps=[0, 50])
    assert drawn.parameter_series(0, "grad") == [(0, 1.0), (50, 1.0)]
    assert (drawn.parameters[0].optimizer, drawn.parameters[1].optimizer) == (0, None)


def test_ledgers_profiles_and_events_are_part_of_it() -> None:
    chain = ledger("w", ("loss", "mse_loss", -0.5), ("fc", "linear", 1.0))
    drawn = sketch(
        [site("rnn", "rnn", {"grad_rms": 1.0})],
        ledgers=[chain],
        profiles={"rnn": [1e-3, 1e-1]},
        events=[Event("tallies", 9, {"steps": 9})],
    )
    assert drawn.captures[0].ledgers[0].total == 0.5
    assert drawn.captures[0].profiles == {0: (1e-3, 1e-1)}
    assert drawn.captures[0].times == {0: (0, 1)}
    assert drawn.tallies == {"steps": 9}
