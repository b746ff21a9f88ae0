# ruff: noqa: RUF001 (Chinese has a comma of its own)
"""Screens and files, drawn from sketches; whole screens are compared with those in `golden`."""

import json
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from rich.cells import cell_len
from rich.console import Console
from support.sketches import RUN, SKETCHES, healthy, vanishing

from gradmedic.base.errors import SettingsError
from gradmedic.base.locale import LANGUAGES
from gradmedic.base.messages import Message
from gradmedic.base.text_layout import cropped, fitting, padded, wrapped
from gradmedic.diagnosis.finding import Cure
from gradmedic.diagnosis.loss_progress import LossProgress
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.rules import Rule, all_rules
from gradmedic.recording.records import Event, Recording, Stream, Vital
from gradmedic.recording.site import Place
from gradmedic.render import all_renderers, render_to, renderer_for
from gradmedic.render.charts import Bar, bars, curve
from gradmedic.render.glyphs import ASCII, UNICODE, sayable
from gradmedic.render.layer_ranges import folded, ranged
from gradmedic.render.numbers import number
from gradmedic.render.report.json import plain
from gradmedic.render.report.phrases import evidence, missing, name_of
from gradmedic.render.report.terminal import show

GOLDEN = Path(__file__).parents[2] / "golden"
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/report.schema.json").read_text())

sketches = pytest.mark.parametrize("name", SKETCHES)
languages = pytest.mark.parametrize("lang", LANGUAGES)


@pytest.fixture(autouse=True)
def _beside_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sketched script stands in the golden folder, so that screens can show its lines."""
    monkeypatch.chdir(GOLDEN)


def screen(report: Report, lang: str, width: int = 80) -> str:
    file = StringIO()
    show(report, lang, Console(file=file, width=width))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def screen_on(encoding: str, report: Report, lang: str) -> str:
    raw = BytesIO()
    file = TextIOWrapper(raw, encoding=encoding)
    show(report, lang, Console(file=file, width=80))
    file.flush()
    return raw.getvalue().decode(encoding)


def same_as_golden(name: str, drawn: str, accept: bool) -> None:
    if accept:
        (GOLDEN / name).write_text(drawn, encoding="utf-8")
    assert drawn == (GOLDEN / name).read_text(encoding="utf-8")


@sketches
@languages
@pytest.mark.parametrize("width", [60, 80, 100])
def test_screens_look_as_accepted(name: str, lang: str, width: int, accept: bool) -> None:
    same_as_golden(f"{name}.{lang}.{width}.txt", screen(SKETCHES[name], lang, width), accept)


@sketches
@languages
def test_markdown_looks_as_accepted(name: str, lang: str, accept: bool) -> None:
    same_as_golden(f"{name}.{lang}.md", renderer_for("r.md").render(SKETCHES[name], lang), accept)


@sketches
def test_ascii_screens_look_as_accepted(name: str, accept: bool) -> None:
    same_as_golden(f"{name}.ascii.txt", screen_on("ascii", SKETCHES[name], "en"), accept)


@languages
@pytest.mark.parametrize("rule", all_rules().values(), ids=all_rules())
def test_every_rule_can_be_shown_in_every_format(rule: type[Rule], lang: str) -> None:
    for case in rule.SICK:
        report = Report(case, tuple(rule().check(case)))
        drawn = screen(report, lang, 60)
        assert rule.name in drawn
        assert "nan" not in drawn.casefold() or rule.name == "non-finite"
        for suffix in all_renderers():
            assert rule.name in renderer_for(f"report{suffix}").render(report, lang)


@sketches
@languages
def test_the_first_screen_fits_on_a_small_terminal(name: str, lang: str) -> None:
    *lines, last = screen(SKETCHES[name], lang).splitlines()
    assert last.startswith("gradmedic: ")  # which a terminal does not get
    assert len(lines) <= 24
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "cp437"])
@languages
def test_streams_that_are_not_utf8_get_what_they_can_carry(encoding: str, lang: str) -> None:
    drawn = screen_on(encoding, vanishing(), lang)
    assert ("严重" in drawn) == (encoding == "gbk" and lang == "zh")
    assert "[X]" in drawn


def test_a_healthy_run_gets_three_lines_one_for_each_note_and_one_for_programs() -> None:
    assert screen(SKETCHES["healthy"], "en").count("\n") == 4
    assert screen(SKETCHES["noted"], "en").count("\n") == 5
    assert screen(SKETCHES["noted"], "zh", 60).count("\n") == 5


@languages
def test_the_last_line_is_one_for_programs_where_there_is_no_terminal(lang: str) -> None:
    last = {name: screen(report, lang).splitlines()[-1] for name, report in SKETCHES.items()}
    assert last["healthy"] == "gradmedic: healthy"
    assert last["vanishing"] == (
        "gradmedic: sick vanishing-gradient train.py:4; next: gradmedic explain vanishing-gradient"
    )
    file = StringIO()
    show(healthy(), lang, Console(file=file, width=80, force_terminal=True))
    assert "gradmedic: " not in file.getvalue()


def test_color_only_where_there_is_a_terminal() -> None:
    file = StringIO()
    show(vanishing(), "en", Console(file=file, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[1;31m" in file.getvalue()
    assert "\x1b" not in screen(vanishing(), "en")


@sketches
@languages
def test_json_follows_its_schema(name: str, lang: str) -> None:
    told = json.loads(renderer_for("r.json").render(SKETCHES[name], lang), parse_constant=pytest.fail)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert [finding["rule"] for finding in told["findings"]] == [f.rule for f in SKETCHES[name].findings]
    assert told["verdict"] == SKETCHES[name].verdict


def test_json_writes_numbers_that_are_not_finite_as_words() -> None:
    told = json.loads(SKETCHES["non_finite"].to_json())
    assert told["findings"][0]["evidence"]["loss"] == "nan"
    assert plain([float("inf"), -float("inf"), {"a": (1, None, Path("x"))}]) == ["inf", "-inf", {"a": [1, None, "x"]}]


def test_json_is_complete() -> None:
    told = json.loads(vanishing().to_json())
    assert told["ledger"]["total"] == pytest.approx(sum(told["ledger"]["by_kind"].values()))
    assert told["ledger"]["by_depth"][0] == {"name": "loss", "decades": -0.9, "entries": 1}
    assert told["findings"][0]["consequences"][0]["rule"] == "learning-rate-too-low"
    assert told["run"]["script"] == "train.py"
    assert told["run"]["share"] == pytest.approx(0.014)


def test_a_report_speaks_for_itself() -> None:
    assert str(vanishing()) == screen(vanishing(), "en")
    assert str(vanishing("zh")) == screen(vanishing("zh"), "zh")
    assert json.loads(vanishing("zh").to_json())["findings"][0]["message"].startswith("梯度")
    html = vanishing()._repr_html_()
    assert html.startswith('<div class="gradmedic fragment" lang="en">')
    assert "梯度" not in html
    assert "vanishing-gradient" in html
    assert "<script" not in html


def test_the_suffix_chooses_the_format(tmp_path: Path) -> None:
    assert set(all_renderers()) >= {".json", ".md", ".txt"}
    for suffix in (".json", ".md", ".txt"):
        render_to(tmp_path / "new" / f"report{suffix}", healthy(), "zh")
        written = (tmp_path / "new" / f"report{suffix}").read_text(encoding="utf-8")
        assert written == renderer_for(suffix[1:] + suffix).render(healthy(), "zh")
    with pytest.raises(SettingsError, match=r"cannot write 'report.pdf': a report ends in \.html, \.json, \.xml, \.md"):
        render_to("report.pdf", healthy())


def test_says_what_was_missing() -> None:
    seen = Recording(vitals=healthy().recording.vitals)
    compiled = Recording(vitals=seen.vitals, events=[Event("compiled", 0)])
    texts = [missing(Report(recording), "en") for recording in (Recording(run=RUN), seen, compiled)]
    assert [text.split()[0] for text in texts] == ["No", "Losses", "torch.compile"]


def test_wraps_chinese_between_characters_but_not_before_a_comma() -> None:
    lines = wrapped("梯度随深度消失，前几层几乎收不到梯度：ReLU 也一样。", 11)
    assert lines == ["梯度随深度", "消失，前几", "层几乎收不", "到梯度：", "ReLU 也一", "样。"]


def test_wraps_english_between_words_and_leaves_paths_whole() -> None:
    assert wrapped("see /a/very/long/path.py there", 10) == ["see", "/a/very/long/path.py", "there"]


def test_crops_and_pads_by_cells() -> None:
    assert cropped("梯度消失", 6) == "梯度…"
    assert cropped("梯度", 4) == "梯度"
    assert padded("梯度", 6) == "梯度  "
    assert fitting(["ab", "cd", "ef"], 7) == "ab · cd"


def test_folds_neighbors_and_keeps_both_ends() -> None:
    rows = folded([(f"layers.{at}", 10.0**-at) for at in range(50)], 5)
    assert [label for label, _, _ in rows] == ["layers.0", "layers.1-16", "layers.17-32", "layers.33-48", "layers.49"]
    assert rows[1][1] == pytest.approx(10**-8.5)
    assert "layers.7" in rows[1][2]


def test_names_ranges_by_what_differs() -> None:
    assert ranged("encoder.0.fc1", "encoder.3.fc2") == "encoder.0-3"
    assert ranged("conv1", "layer2.0.conv") == "conv1…layer2.0.conv"
    assert ranged("head", "head") == "head"


def test_bars_stay_within_their_width_and_in_proportion() -> None:
    rows = [Bar("a", 0.0, "0"), Bar("b" * 60, 0.5, "1e-10", here=True), Bar("c", 2.0, "1e+10")]
    empty, half, full = (line.plain for line in bars(rows, 60, UNICODE))
    assert "█" not in empty
    assert full.count("█") == 2 * half.count("█")
    assert half.endswith("◄")
    assert max(map(cell_len, (empty, half, full))) <= 60


def test_no_spike_is_lost_where_a_curve_is_thinned() -> None:
    losses = [1.0] * 5000
    losses[1234], losses[4000] = 100.0, float("nan")
    drawn = "".join(line.plain for line in curve(losses, "100", "1", 60, 3, ASCII))
    assert "#" in drawn
    assert "x" in drawn


def test_plain_streams_get_plain_punctuation() -> None:
    assert sayable("loss 2 → 1 · …", "ascii") == "loss 2 -> 1 - ..."
    assert sayable("é", "ascii") == "\\xe9"
    assert sayable("loss 2 → 1", "utf-8") == "loss 2 → 1"


def test_numbers_keep_three_digits() -> None:
    assert [number(value) for value in (2.0, 0.123456, 1e-18, 12, "fp16", 1e9, float("nan"))] == [
        "2", "0.123", "1e-18", "12", "fp16", "1e+09", "nan",
    ]  # fmt: skip


@languages
def test_says_what_limits_the_report(lang: str) -> None:
    broken = Event("failure", 3, {"part": "journal", "error": "No space left on device"})
    events = (Event("compiled", 0), Event("compiled", 1), broken, Event("note", 4, {"text": "rank 1 is missing"}))
    report = Report(replace(healthy().recording, events=events), (), healthy().progress)
    remarks = screen(report, lang).splitlines()[3:-1]
    assert ["torch.compile" in remarks[0], "rank 1" in remarks[1], "No space left" in remarks[2]] == [True] * 3
    assert len(json.loads(report.to_json(lang))["remarks"]) == len(remarks) == 3
    assert "No space left" in renderer_for("r.md").render(report, lang)


def test_names_what_is_no_operation_in_the_language() -> None:
    places = (Place("learning rate", "optimizer"), Place("attention", "attention"))
    assert [name_of(place, "zh") for place in places] == ["学习率", "attention"]


def test_tells_losses_of_one_name_apart_by_their_lines() -> None:
    streams = {0: Stream(0, "loss", "gan.py", 40), 1: Stream(1, "loss", "gan.py", 47)}
    states = {at: LossProgress("learning", 2.0, 1.0) for at in streams}
    report = Report(replace(healthy().recording, streams=streams), (), states)
    assert "loss:40 2 → 1 · loss:47 2 → 1" in screen(report, "en")


def test_a_long_line_of_code_gets_its_comment_above() -> None:
    report = SKETCHES["through_time"]
    cure = Cure(Message("Use a gated cell"), f"{'x' * 40}()  # {'why ' * 10}")
    drawn = screen(replace(report, findings=(replace(report.findings[0], next=(cure,)),)), "en").splitlines()
    at = next(at for at, line in enumerate(drawn) if "xxx()" in line)
    assert "why" not in drawn[at]
    assert drawn[at - 1].split()[:2] == ["#", "why"]


def test_marks_the_operation_that_a_place_holds() -> None:
    report = SKETCHES["dead_relu"]
    inside = replace(report.findings[0], places=(Place("features", "weights"),))
    assert screen(replace(report, findings=(inside,)), "en").count("◄") == 7


def test_a_curve_ends_soon_after_the_loss_is_lost() -> None:
    lost = [2.0, 1.5, 1.2, 1.0] * 5 + [float("nan")] * 400
    report = SKETCHES["non_finite"]
    vitals = [Vital(step, 0, 0.0, loss) for step, loss in enumerate(lost)]
    drawn = screen(replace(report, recording=replace(report.recording, vitals=vitals)), "en")
    assert "loss, steps 0 to 22" in drawn


def test_answers_are_yes_and_no() -> None:
    finding = replace(SKETCHES["non_finite"].findings[0], evidence={"operand_zero": True})
    assert evidence(finding, "en") == ["operand zero yes"]
    assert evidence(finding, "zh") == ["操作数含零 是"]
