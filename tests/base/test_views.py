"""Views: who registers one is asked by the value, and what loads them is run once."""

import subprocess
import sys

import pytest

from gradmedic.base import views
from gradmedic.base.views import load_with, register, view


class Thing:
    """Something that can be drawn."""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No view, and nothing that loads any, until the test is over."""
    monkeypatch.setattr(views, "_views", {})
    monkeypatch.setattr(views, "_sources", [])


def test_a_value_is_drawn_by_what_was_registered_for_its_type() -> None:
    register(Thing, "text", lambda thing, lang: f"{type(thing).__name__} in {lang}")
    assert view(Thing(), "text", "zh") == "Thing in zh"


def test_a_form_that_nobody_draws_is_named() -> None:
    with pytest.raises(LookupError, match="nobody draws a Thing as json"):
        view(Thing(), "json", "en")


def test_views_are_loaded_once_and_only_when_one_is_wanted() -> None:
    loaded = []
    register(Thing, "text", lambda thing, lang: "")
    load_with(lambda: loaded.append(1))
    assert not loaded
    view(Thing(), "text", "en")
    view(Thing(), "text", "en")
    assert loaded == [1]


def test_values_print_themselves_though_nobody_has_imported_a_renderer() -> None:
    code = (
        "from gradmedic.prediction.prediction import Prediction\n"
        "import sys; assert 'gradmedic.render' not in sys.modules\n"
        "print(Prediction(model='net').to_text())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "net, initialized as it is" in done.stdout
