"""The command line: what reaches the script, what is refused in one sentence, what is judged again."""

import json
import re
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gradmedic.base.errors import SettingsError
from gradmedic.base.messages import Message
from gradmedic.base.settings import Settings
from gradmedic.cli import commands, main
from gradmedic.cli.options import settings_from
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.rules import all_rules
from gradmedic.launch import script, stopping
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event, Stream, Vital
from gradmedic.recording.writer import RecordingWriter
from gradmedic.render.deliver import FOUND, exit_code

NON_FINITE = Event("non-finite", 3, {"phase": "forward", "op": "log", "name": "log", "operand_min": -1.0})


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[Any, ...]:
    """What `gradmedic run` would launch."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(script, "run", lambda *given, **named: calls.append((*given, named)))
    ended(monkeypatch, "run", *words)
    return calls[0]


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    """The exit code of a command."""
    monkeypatch.setattr(sys, "argv", ["gradmedic", *words])
    with pytest.raises(SystemExit) as raised:
        main()
    return raised.value.code


@pytest.mark.parametrize(
    "words", [["--help"], ["-o", "x.json", "--version"], ["--", "a", "--"], ["-m", "x"], ["--budget", "9"], [""]]
)
def test_whatever_stands_behind_the_script_is_the_scripts(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    target, args, named = called(monkeypatch, "--every", "3", "train.py", *words)
    assert (target, list(args)) == ("train.py", words)
    assert named == {"as_module": False, "settings": Settings(every=3)}
    target, args, named = called(monkeypatch, "-m", "pkg.train", *words)
    assert (target, list(args), named["as_module"]) == ("pkg.train", words, True)


def test_every_flag_becomes_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--budget", "0.5", "--every", "2", "-o", "a.json", "--output", "b.md", "--record", "runs", "--quiet"]
    more = ["--fail-on", "note", "--stop-on", "critical", "--ignore", "non-finite", "--lang", "zh"]
    last = ["--set", "rules.dead-relu.share=0.5", "x.py"]
    assert called(monkeypatch, *words, *more, *last)[-1]["settings"] == Settings(
        budget=0.5,
        every=2,
        outputs=("a.json", "b.md"),
        record="runs",
        fail_on="note",
        stop_on="critical",
        ignore=("non-finite",),
        quiet=True,
        lang="zh",
        rules={"dead-relu": {"share": 0.5}},
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run", "nothere.py"], "there is no script nothere.py"),
        (["run", "."], ". is a folder without __main__.py; name a script in it, or run a package with -m"),
        (["run"], "Missing argument 'TARGET'."),
        (["run", "--budgit", "1", "x.py"], "No such option"),
        (["run", "--budget", "much", "x.py"], "'much' is not a valid float"),
        (["run", "--budget", "7", "x.py"], "command line: budget must be a share between 0 and 1"),
        (["run", "--fail-on", "critcal", "x.py"], "'critcal' is not one of 'note', 'warning', 'critical'"),
        (["run", "--ignore", "dead-rely", "x.py"], "there is no rule 'dead-rely'; did you mean 'dead-relu'?"),
        (
            ["run", "-o", "x.docx", "x.py"],
            "cannot write 'x.docx': a report ends in .html, .json, .xml, .md, .sarif, .txt",
        ),
        (["run", "--set", "budgit=1", "x.py"], "--set: nobody knows the key 'budgit'; did you mean 'budget'?"),
        (["run", "--set", "rules.dead-relu.shard=1", "x.py"], "has no threshold 'shard'; did you mean 'share'?"),
        (["run", "--set", "rules.dead-relu.share=x", "x.py"], "rules.dead-relu.share must be a number; it is 'x'"),
        (["diagnose", "nothere"], "nothere"),
        (["treat", "--metric", "(", __file__], "--metric '(' is not a regular expression: missing )"),
        (["compare", "--metric", "[", __file__], "--metric '[' is not a regular expression: unterminated"),
        (["treat", "--metric", "a{99999999999}", __file__], "is not a regular expression: the repetition number"),
        (["treat", "--metric", "(" * 5000, __file__], "is not a regular expression"),
        (["run", "a\x1b[31m\n\u202eb.py"], r"there is no script a\x1b[31m\n\u202eb.py"),
        (["diagnose", "a\x1b[31m\n\u202eb"], r"a\x1b[31m\n\u202eb is not a recording"),
        (["patch", "a\n\u202e.toml"], r"cannot read the prescription a\n\u202e.toml"),
        (["run", "--a\nb\x07", "x.py"], r"--a\nb\x07"),
        (["run", "--set", "a\x1bb\u202e=1", "x.py"], r"nobody knows the key 'a\x1bb\u202e'"),
        (["explain", "dead-rely"], "did you mean 'dead-relu'?"),
        (["explode"], "No such command 'explode'"),
    ],
)
def test_a_mistake_gets_one_sentence(
    words: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gradmedic: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_explain_prints_the_page_of_each_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, "explain") is None
    listed = capsys.readouterr().out
    for name in all_rules():
        assert name in listed
    assert ended(monkeypatch, "explain", "non-finite") is None
    assert "References" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["explain", "activations"])
def test_the_page_of_an_activation_is_found_by_both_commands(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, command, "gelu") is None
    assert "Forward and backward at initialization" in capsys.readouterr().out


def test_diagnose_judges_a_recording_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder({"script": "train.py"}, RecordingWriter(tmp_path / "run"))
    sick(recorder)
    recorder.close()
    words = ["diagnose", str(tmp_path / "run"), "-o", str(tmp_path / "report.json"), "--fail-on", "critical"]
    assert ended(monkeypatch, *words) == FOUND
    assert "non-finite" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["findings"][0]["rule"] == "non-finite"
    assert ended(monkeypatch, *words, "--ignore", "non-finite", "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_consequences_count_for_the_exit_code() -> None:
    finding = Finding("a", Severity.WARNING, Message("a"), Message("b"))
    worse = Finding("b", Severity.CRITICAL, Message("a"), Message("b"))
    report = Report(Recorder({}).recording(), (finding.with_consequences(worse),))
    codes = [exit_code(report, Settings(fail_on=word)) for word in ("note", "critical", None)]
    assert codes == [FOUND, FOUND, 0]
    assert exit_code(Report(report.recording, (finding,)), Settings(fail_on="critical")) == 0


def test_thresholds_are_checked_against_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.gradmedic.rules.dead-rely]\nshare = 1\n")
    with pytest.raises(SettingsError, match="there is no rule 'dead-rely'; did you mean 'dead-relu'"):
        settings_from(())


def sick(recorder: Recorder) -> None:
    """Let a recorder see a loss that becomes NaN."""
    recorder.stream(Stream(0))
    for step in range(4):
        recorder.vital(Vital(step, 0, step / 10, loss=1.0 if step < 3 else float("nan")))
    recorder.event(NON_FINITE)


def test_a_run_is_ended_at_once_by_a_non_finite_value() -> None:
    recorder = Recorder({})
    watcher = stopping.StopCondition(Settings(stop_on="critical"), recorder)
    watcher.look()
    sick(recorder)
    watcher.next_look = float("inf")
    with pytest.raises(stopping.StopRun) as raised:
        watcher.look()
    assert raised.value.code == FOUND


def test_a_run_is_ended_only_by_a_finding_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder({})
    watcher = stopping.StopCondition(Settings(stop_on="warning"), recorder)
    shown = [Finding("a", Severity.WARNING, Message("a"), Message("b"))]
    monkeypatch.setattr("gradmedic.diagnosis.judge.judge", lambda recording, settings: Report(recording, tuple(shown)))

    def sure_at(step: int) -> bool:
        recorder.vital(Vital(step, 0, 0.0))
        return watcher.is_sure(recorder.recording())

    assert [sure_at(step) for step in (0, 5, 9)] == [False, False, False]
    gone, shown[:] = shown[:], []
    assert not sure_at(12)
    shown[:] = gone
    assert [sure_at(step) for step in (20, 30, 39, 40)] == [False, False, False, True]


def test_a_terminal_is_told_how_the_run_is_doing_more_and_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(stopping, "perf_counter", lambda: now)
    recorder, stream = Recorder({}), StringIO()
    ticker = stopping.StatusLine(stream, recorder)
    told = []
    for second in range(100):
        now = float(second)
        recorder.vital(Vital(second, 0, now, loss=0.5))
        before = len(stream.getvalue())
        ticker.look()
        told += [second] if len(stream.getvalue()) > before else []
    assert told == [10, 30, 70]
    assert stream.getvalue().split("\n")[0].endswith("gradmedic · step 10 · 0 backward passes read · loss 0.5")


def test_without_a_command_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not ended(monkeypatch)
    assert "gradmedic run train.py" in capsys.readouterr().out


def test_the_doctor_speaks_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert not ended(monkeypatch, "doctor", "--json")
    assert "torch" in json.loads(capsys.readouterr().out)["packages"]


def test_a_shell_completes_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_GRADMEDIC_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "gradmedic tr")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert not ended(monkeypatch)
    assert capsys.readouterr().out == "plain,treat\n"


def test_every_command_on_the_page_for_programs_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not ended(monkeypatch, "skill")
    page = capsys.readouterr().out
    named = re.findall(r"`gradmedic (\w+) ([^`]*)`", page)
    assert named
    for name, words in named:
        options = {it for parameter in commands.commands[name].params for it in parameter.opts}
        assert {word for word in words.split() if word.startswith("--")} <= options


@pytest.mark.parametrize("command", ["treat", "compare"])
@pytest.mark.parametrize("words", ["--minutes -1", "--minutes nan", "--minutes inf", "--seeds 0", "--jobs -2"])
def test_amounts_have_to_be_above_zero(
    command: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, command, *words.split(), "train.py") == 2
    assert "must be a number above 0" in capsys.readouterr().err
