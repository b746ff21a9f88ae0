"""Of what is printed the ends are kept, and a number is found wherever the output was cut into pieces."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gradmedic.trials.excerpt import KEPT, WINDOW, Excerpt

EXPRESSION = r"loss (\S+)"


@given(st.lists(st.sampled_from(["loss 0.25\n", "loss 1e-3\n", "x\n", "\n", "losses\n"])), st.integers(1, 40))
def test_the_number_found_is_the_last_one_of_the_whole_output(lines: list[str], piece: int) -> None:
    text = "".join(lines)
    excerpt = Excerpt(EXPRESSION)
    for start in range(0, len(text), piece):
        excerpt.add(text[start : start + piece].encode())
    found = re.findall(EXPRESSION, text)
    assert excerpt.found == (found[-1] if found else None)
    assert excerpt.text.decode() == text


@given(st.integers(1, 3 * WINDOW))
def test_a_line_that_is_longer_than_what_is_searched_again_hides_no_number_behind_it(length: int) -> None:
    excerpt = Excerpt(EXPRESSION)
    for piece in (b"loss 1\n", b"y" * length, b"\nlo", b"ss 2", b"5\n", b"z" * length):
        excerpt.add(piece)
    assert excerpt.found == "25"


def test_of_a_flood_the_beginning_and_the_end_are_kept() -> None:
    excerpt = Excerpt()
    excerpt.add(b"first")
    for _ in range(200):
        excerpt.add(b"y" * 9999)
    excerpt.add(b"last")
    left_out = 200 * 9999 + 9 - 2 * KEPT
    assert excerpt.text.startswith(b"firsty")
    assert excerpt.text.endswith(b"ylast")
    assert f"[{left_out} bytes left out]".encode() in excerpt.text
    assert len(excerpt.text) < 2 * KEPT + 100
