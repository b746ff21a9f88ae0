"""Prescriptions as values and as files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.base.errors import SettingsError
from gradmedic.treatment.prescription import Evidence, Item, Prescription

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**60), 2**60)
VALUES = TEXT | NUMBERS | st.booleans() | st.lists(TEXT, max_size=9) | st.lists(NUMBERS, max_size=9)
KEYS = st.sampled_from(["max_norm", "sites", "to", "gain", "weights"])
ITEMS = st.builds(Item, st.sampled_from(["clip-grad-norm", "init-he"]), st.dictionaries(KEYS, VALUES))
SIZES = st.floats(allow_nan=False)
EVIDENCE = st.builds(Evidence, SIZES, SIZES, SIZES, TEXT, versions=st.dictionaries(TEXT, TEXT, max_size=3))
PRESCRIPTIONS = st.builds(Prescription, st.lists(ITEMS, max_size=4).map(tuple), st.none() | EVIDENCE, TEXT)


@given(PRESCRIPTIONS)
def test_reads_what_it_has_written(prescription: Prescription) -> None:
    assert Prescription.from_toml(prescription.to_toml()) == prescription


def test_is_written_as_one_would_by_hand() -> None:
    item = Item("clip-grad-norm", {"max_norm": 0.5})
    written = Prescription((item,), Evidence(0.8, 0.5, 1.1, seeds=3), "train.py").to_toml().splitlines()
    assert written[3:7] == ['script = "train.py"', "", "[[remedy]]", 'name = "clip-grad-norm"']
    assert "max_norm = 0.5" in written
    assert "seeds = 3" in written


def test_a_file_keeps_it(tmp_path: Path) -> None:
    prescription = Prescription((Item("init-he", {"weights": ["fc.weight"]}),))
    prescription.save(tmp_path / "p.toml")
    assert Prescription.load(tmp_path / "p.toml") == prescription


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[remedy]", "is not valid TOML"),
        ("[[remedy]]\nmax_norm = 1", "needs a name"),
        ("remedy = 3", r"remedy must be tables, each written under \[\[remedy\]\]; it is 3"),
        ("[[remedies]]\nname = 'x'", "did you mean 'remedy'"),
        ("[[remedy]]\nname = 'x'\n[remedy.sites]\na = 1", "must be a number, text"),
        ("[evidence]\neffekt = 1", "did you mean 'effect'"),
        ("[evidence]\neffect = 1.0", "needs effect, low and high"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as told:
        Prescription.from_toml(text, "p.toml")
    assert str(told.value).startswith("p.toml")
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the prescription .*nowhere\.toml"):
        Prescription.load(tmp_path / "nowhere.toml")
