from hypothesis import given
from hypothesis import strategies as st

from gradmedic.base.messages import Message
from gradmedic.base.visible_text import visible, visible_lines, visible_text
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.recording.records import Vital
from gradmedic.recording.site import Place


def test_what_steers_a_terminal_is_spelled_out() -> None:
    assert visible_text("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert visible_text("a\nb\r\tc\u2028") == "a\\nb\\r\\tc\\u2028"
    assert visible_text("\u202eRTL\u2066") == "\\u202eRTL\\u2066"


def test_words_of_every_language_stay_as_they_are() -> None:
    assert visible_text("名字\u3000état → ▉ 🙂") == "名字\u3000état → ▉ 🙂"


@given(st.text())
def test_a_visible_text_is_one_line_that_stays_visible(text: str) -> None:
    shown = visible_text(text)
    assert len(shown.splitlines()) <= 1
    assert visible_text(shown) == shown
    assert all(one.isprintable() or one.isspace() for one in shown)
    assert visible_lines(text).count("\n") == text.count("\n")


def test_every_text_within_a_finding_is_made_visible_and_its_code_keeps_its_lines() -> None:
    said = Message("{x} of {n}", {"x": Message("{y}", {"y": "a\nb"}), "n": 3})
    cure = Cure(said, "x = 1\ny = 2\x1b")
    found = Finding("r", Severity.NOTE, said, said, (Place("a\x00b"),), evidence={"k\r": "v\r"}, next=(cure,))
    shown = visible(found)
    assert str(shown.message) == "a\\nb of 3"
    assert shown.places == (Place("a\\x00b"),)
    assert shown.evidence == {"k\\r": "v\\r"}
    assert shown.next[0].code == "x = 1\ny = 2\\x1b"
    assert found.places == (Place("a\x00b"),)


def test_what_is_visible_is_not_copied() -> None:
    vitals = [Vital(0, 0, 0.0, 1.0)]
    assert visible(vitals) is vitals
    assert visible({"a": vitals, 3: None}) == {"a": vitals, 3: None}
