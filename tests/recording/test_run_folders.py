"""Each run gets a folder of its own, and only old recordings that are provably ours go."""

import json
from pathlib import Path

import pytest

from gradmedic.recording.run_folders import HOME, KEPT, new_folder, recordings_below
from gradmedic.recording.writer import MARK


def recorded(place: Path, ended: bool = True, extra: str = "") -> Path:
    """What a run leaves in its folder."""
    rank = place / "rank-00000"
    rank.mkdir(parents=True, exist_ok=True)
    (rank / MARK).write_text("ours")
    (rank / "events.jsonl").write_text("")
    (place / "run.json").write_text(json.dumps({"schema": 1, **({"ended": 1.0} if ended else {})}))
    if extra:
        (place / extra).write_text("theirs")
    return place


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_runs_of_one_second_get_two_folders() -> None:
    first, second = new_folder("a/train.py", 0.0), new_folder("a/train.py", 0.0)
    assert first.parent == second.parent == HOME.absolute()
    assert first.name.endswith("-train")
    assert second.name == f"{first.name}-2"


@pytest.mark.parametrize("script", ["", "..", "-", "ab\ncd.py", "é ü.py", "x" * 300])
def test_any_name_of_a_script_makes_one_folder_below(script: str) -> None:
    made = new_folder(script, 0.0)
    assert made.parent == HOME.absolute()
    assert made.name.isprintable()
    assert made.is_dir()


def test_the_newest_stay_and_the_oldest_go() -> None:
    made = [recorded(HOME / f"2026{number:04}-000000-x") for number in range(KEPT + 3)]
    new_folder("x.py", 2e9)
    assert [place.exists() for place in made] == [False] * 4 + [True] * (KEPT - 1)


def test_what_is_not_ours_or_not_finished_stays(here: Path) -> None:
    elsewhere = recorded(here / "elsewhere")
    HOME.mkdir(parents=True)
    (HOME / "0000-link").symlink_to(elsewhere)
    spared = [
        recorded(HOME / "0001-goes-on", ended=False),
        recorded(HOME / "0002-notes", extra="notes.md"),
        recorded(HOME / "0003-notes", extra="rank-00000/notes.md"),
        HOME / "0000-link",
    ]
    old = recorded(HOME / "0004-ours")
    for number in range(KEPT):
        recorded(HOME / f"1{number:03}-x")
    new_folder("x.py", 2e9)
    assert not old.exists()
    assert all(place.exists() for place in spared)
    assert (elsewhere / "run.json").exists()


def test_recordings_are_found_at_any_depth_and_not_through_links(here: Path) -> None:
    places = [recorded(here / "a"), recorded(here / "b" / "c" / "d")]
    (here / "b" / "loop").symlink_to(here)
    (here / "e").mkdir()
    (here / "e" / "run.json").write_text("{}")
    assert sorted(recordings_below(here)) == places
