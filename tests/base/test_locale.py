"""Everything that users read is said in every language, with the same numbers in it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import gradmedic
from gradmedic.base.errors import SettingsError
from gradmedic.base.locale import CATALOGS, LANGUAGES, catalog, parse, say, translator
from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.rules import Rule, all_rules
from gradmedic.recording.columns import EVENTS
from gradmedic.recording.site import Kind
from gradmedic.theory.activations import all_activations, all_gates
from gradmedic.treatment.remedies import all_remedies

SOURCE = Path(gradmedic.__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef

languages = pytest.mark.parametrize("lang", CATALOGS)
rules = pytest.mark.parametrize("rule", all_rules().values(), ids=str)


def texts_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every text that a file hands to `Message` or to `_`, with its line."""
    for scope in ast.walk(tree):
        if isinstance(scope, Function | ast.Module):
            for call in own(scope):
                if isinstance(call, ast.Call) and call.args and called(call) in ("Message", "_"):
                    texts = list(constants(call.args[0], scope)) or list(constants(call.args[0], tree))
                    assert texts or called(call) == "_", f"line {call.lineno}: the catalog cannot see this text"
                    yield from ((text, call.lineno) for text in texts)


def own(scope: ast.AST) -> Iterator[ast.AST]:
    """What is inside a function but not inside a function within it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, Function):
            yield from own(child)


def called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Call) and called(call.func) == "translator":
        return "_"
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def constants(node: ast.AST | None, scope: ast.AST) -> Iterator[str]:
    """The strings that an expression can be: written out, chosen between, or assigned to that name before."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from constants(body, scope)
            yield from constants(orelse, scope)
        case ast.Subscript(value=value):
            yield from constants(value, scope)
        case ast.Dict(values=values):
            for value in values:
                yield from constants(value, scope)
        case ast.Name(id=name):
            for found in ast.walk(scope):
                if isinstance(found, ast.Assign) and any(
                    isinstance(t, ast.Name) and t.id == name for t in found.targets
                ):
                    yield from constants(found.value, scope)


def in_source() -> dict[str, str]:
    """Every text in the source, with the place where it stands."""
    return {
        text: f"{file.relative_to(SOURCE)}:{line}"
        for file in sorted(SOURCE.rglob("*.py"))
        for text, line in texts_of(ast.parse(file.read_text(encoding="utf-8")))
    }


def found_by(rule: type[Rule]) -> Iterator[Finding]:
    for case in rule.SICK:
        yield from rule().check(case)


def headings() -> set[str]:
    """The headings of all pages."""
    pages = [*all_rules().values(), *all_remedies().values(), *all_activations().values(), *all_gates().values()]
    lines = (line.strip() for page in pages for line in (page.__doc__ or "").splitlines())
    return {line.lstrip("# ") for line in lines if line.startswith("##")}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@languages
def test_every_text_is_translated(lang: str) -> None:
    untold = [f"{place}: {text!r}" for text, place in in_source().items() if text not in catalog(lang)]
    assert not untold, "\n".join(["not in the catalog:", *untold])


@languages
def test_the_words_in_between_are_translated(lang: str) -> None:
    words = {*all_rules(), *(s.name for s in Severity), *(k.value for k in Kind)}
    words |= headings()
    assert words - catalog(lang).keys() == set()


@languages
@rules
def test_the_names_of_the_numbers_are_translated(rule: type[Rule], lang: str) -> None:
    names = {name.replace("_", " ") for finding in found_by(rule) for name in finding.evidence}
    assert names - catalog(lang).keys() == set()


@languages
def test_a_translation_has_the_same_placeholders(lang: str) -> None:
    unlike = {text for text, said in catalog(lang).items() if placeholders(text) != placeholders(said)}
    assert unlike == set()


@languages
def test_nothing_in_the_catalog_is_out_of_use(lang: str) -> None:
    used = {*in_source(), *all_rules(), *(s.name for s in Severity), *(k.value for k in Kind)}
    used |= headings()
    told = [name for event in EVENTS.values() for name in event.data]
    shown = [name for rule in all_rules().values() for finding in found_by(rule) for name in finding.evidence]
    used |= {name.replace("_", " ") for name in (*told, *shown)}
    assert catalog(lang).keys() - used == set()


@languages
@rules
def test_every_finding_can_be_said(rule: type[Rule], lang: str) -> None:
    for finding in found_by(rule):
        for message in (finding.message, finding.why, *(cure.act for cure in finding.next)):
            assert say(message, lang) != str(message)


def test_english_is_said_as_it_is_written() -> None:
    assert say(Message("{share:.0%} are dead", {"share": 0.5}), "en") == "50% are dead"


def test_a_message_within_a_message_is_translated_with_it() -> None:
    inner = Message("1 step")
    assert say(Message("{n} of it", {"n": inner}), "zh") == f"{translator('zh')('1 step')} of it"


def test_a_text_that_nobody_translated_is_said_in_english() -> None:
    assert translator("zh")("a text of some plug-in") == "a text of some plug-in"


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=f"'xx' is not one of {', '.join(LANGUAGES)}"):
        translator("xx")


def test_reads_po_files_with_comments_escapes_and_long_strings() -> None:
    po = """
    # a comment with "quotes"
    msgid ""
    msgstr "Language: zh_CN\\n"

    #: rules/dead_relu.py
    msgid ""
    "first "
    "second \\"third\\""
    msgstr "甲乙\\n丙"

    msgid "not yet"
    msgstr ""
    """
    assert parse("\n".join(line.strip() for line in po.splitlines())) == {'first second "third"': "甲乙\n丙"}
