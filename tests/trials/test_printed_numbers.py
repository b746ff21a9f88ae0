"""Numbers in a script's output are found by their names, and the names say what is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.trials.printed_numbers import goal_of, is_loss, moving, printed_numbers


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("epoch 3 cost 2.5", "cost", 2.5),
        ("step 10: val_acc=0.91, lr 1e-3", "val_acc", 0.91),
        ("final test accuracy: 93.4%", "final test accuracy", 93.4),
        ("MSE tensor(1.5e-2, grad_fn=<MseLossBackward0>)", "MSE", 0.015),
        ("mean reward -200", "mean reward", -200.0),
        ("error nan", "error", float("nan")),
    ],
)
def test_a_number_is_found_by_the_words_before_it(line: str, name: str, value: float) -> None:
    found = printed_numbers(line)
    assert [*found] == [name]
    assert found[name] == pytest.approx((value, value), nan_ok=True)


@pytest.mark.parametrize("line", ["epoch 3", "step 10 lr 0.1", "0.53", "seed: 1", "time 3.2 s", "cost", "cost 1x"])
def test_a_number_whose_name_says_neither_is_passed_over(line: str) -> None:
    assert printed_numbers(line) == {}


def test_the_typical_number_at_either_end_is_kept() -> None:
    text = "".join(f"cost {value}\n" for value in [10, 10, 9, *[5] * 14, 1, 100, 1])
    assert printed_numbers(text) == {"cost": (10, 1)}


def test_a_number_that_breaks_at_the_end_is_not_smoothed_away() -> None:
    first, last = printed_numbers("error 1\n" * 20 + "error nan\n")["error"]
    assert first == 1
    assert last != last


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("valAcc", "max"),
        ("test_error_rate", "min"),
        ("accuracy error", "min"),
        ("R2", "max"),
        ("RMSE", "min"),
        ("policy loss", "min"),
        *((name, None) for name in ("epoch", "macro", "terror")),
    ],
)
def test_a_name_says_whether_more_is_better(name: str, goal: str | None) -> None:
    assert goal_of(name) == goal


def test_what_moves_and_is_no_loss_is_offered_in_the_order_of_printing() -> None:
    text = "reward 1 policy loss 3 error 2 score 1\nreward 2 policy loss 2 error 1 score 1\n"
    assert moving(printed_numbers(text)) == ["reward", "error"]
    assert is_loss("val_loss")


@given(st.text(max_size=300))
def test_any_output_is_read_without_a_failure(text: str) -> None:
    assert all(goal_of(name) for name in printed_numbers(text))
