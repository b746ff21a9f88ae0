import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gradmedic.render.markdown_text import fenced, prose, span

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "`tick` | pipe", "[a](http://b)", "![i](j)",
    "``` end", "# head", "- item", "*bold* __bold__ _it_ a_b", "~~gone~~", "&lt;b&gt; &#60;", "\\*", "====", "> quote",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_in_prose_is_one_paragraph_of_text(text: str) -> None:
    block, inline, end = MarkdownIt("commonmark").parse(prose(text))
    assert (block.type, end.type) == ("paragraph_open", "paragraph_close")
    assert {one.type for one in inline.children or ()} <= {"text", "text_special"}
    assert "".join(one.content for one in inline.children or ()) == text


@given(st.text("`a| \\*", min_size=1).filter(lambda text: text.strip() == text))
def test_a_span_holds_its_text_whatever_backticks_are_in_it(text: str) -> None:
    inline = MarkdownIt("commonmark").parse(span(text))[1]
    assert [(one.type, one.content) for one in inline.children or ()] == [("code_inline", text)]


@given(st.lists(st.text("`a ~"), min_size=1))
def test_no_line_ends_a_block(lines: list[str]) -> None:
    (block,) = MarkdownIt("commonmark").parse("\n".join(fenced(lines, "text")))
    assert block.content == "".join(f"{line}\n" for line in lines)


def test_usual_names_and_numbers_need_no_escape() -> None:
    for text in ("hidden.0-5.weight", "loss_fn gains -7.3 decades", "-3.0", "+1.90 ± 0.05", "1.5"):
        assert prose(text) == text
