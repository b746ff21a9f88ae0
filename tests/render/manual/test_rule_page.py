"""The pages of the manual, on a terminal."""

from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from gradmedic.base.errors import SettingsError
from gradmedic.diagnosis.rules import all_rules
from gradmedic.render.manual.rule_page import index, page, show

names = pytest.mark.parametrize("name", all_rules())


@names
def test_every_rule_has_a_page_with_all_its_parts(name: str) -> None:
    told = page(name)
    assert told.startswith(f"# {name}\n")
    for heading in ("What it finds", "Why it hurts", "What causes it", "Example", "Instead", "References"):
        assert f"\n## {heading}\n" in told


@names
def test_every_option_says_where_it_comes_from(name: str) -> None:
    options = [line for line in page(name).splitlines() if line.startswith("- `") and " = " in line.split("`")[1]]
    assert all(len(line.split("` ", 1)[1].split()) > 3 for line in options)


def test_chinese_pages_have_chinese_headings() -> None:
    told = page("dead-relu", "zh")
    assert told.startswith("# 死亡 ReLU (dead-relu)\n")
    assert "\n## 发现什么\n" in told
    assert "What it finds" not in told


def test_prints_the_page_on_any_stream() -> None:
    file = StringIO()
    show("dead-relu", "zh", Console(file=file, width=80))
    assert "为何有害" in file.getvalue()
    raw = BytesIO()
    plain = TextIOWrapper(raw, encoding="ascii")
    show("dead-relu", "zh", Console(file=plain, width=80))
    plain.flush()
    assert b"Why it hurts" in raw.getvalue()


def test_lists_the_rules_where_none_is_named() -> None:
    file = StringIO()
    show(None, "en", Console(file=file, width=80))
    assert all(name in file.getvalue() for name in all_rules())
    assert index("zh").count("\n") == len(all_rules())


def test_an_unknown_rule_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="no rule is called 'dead-rely'; did you mean 'dead-relu'"):
        page("dead-rely")
