"""A machine as a screen and as JSON."""

import json
from io import StringIO

from rich.console import Console

from gradmedic.base.machine import Machine
from gradmedic.base.messages import Message
from gradmedic.render.machine import SCHEMA, as_json, show

LOST = Message("this torch does not show what operations have saved: activations and losses were not read")
TRIALS = Message("trials see your folder through an overlay; what they write is thrown away")


def machine(*lost: Message) -> Machine:
    return Machine("3.11.7", "Linux x86_64", {"torch": "2.13.0"}, ["cpu (2 cores)"], lost, TRIALS, {"budget": 0.5})


def screen(shown: Machine, lang: str = "en") -> str:
    console = Console(file=StringIO(), width=120, color_system=None)
    show(shown, lang, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_screen_names_versions_devices_and_settings() -> None:
    text = screen(machine())
    for word in ("3.11.7", "torch", "2.13.0", "cpu (2 cores)", "budget", "0.5", "all that gradmedic reads"):
        assert word in text


def test_what_is_lacking_stands_in_place_of_praise() -> None:
    text = screen(machine(LOST))
    assert "activations and losses were not read" in text
    assert "all that gradmedic reads" not in text


def test_the_screen_speaks_chinese() -> None:
    assert "设备" in screen(machine(), "zh")


def test_json_holds_the_same() -> None:
    document = json.loads(as_json(machine(LOST)))
    assert document["schema"] == SCHEMA
    assert document["lost"] == [str(LOST)]
    assert document["packages"] == {"torch": "2.13.0"}
