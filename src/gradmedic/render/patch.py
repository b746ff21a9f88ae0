"""The screen of a patch: the diff, what was left out of it and why, and how the patched script trained."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from rich.console import Console, RenderableType
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.base.visible_text import visible, visible_lines
from gradmedic.render.glyphs import can_say, emit, glyphs_for
from gradmedic.treatment.patching import Patch
from gradmedic.trials.patch_agreement import Agreement

STYLES = {"+": "green", "-": "red", "@": "cyan"}


class WrittenPatch(Protocol):
    """What is told of a prescription that was written into a script."""

    @property
    def patch(self) -> Patch:
        """What was written, and what was left."""

    @property
    def diff(self) -> str:
        """The patch as a unified diff."""

    @property
    def code(self) -> str:
        """The lines to paste for what was left."""

    @property
    def agreement(self) -> Agreement | None:
        """How the patched script trained beside the trial; None where it was not run."""


def show(written: WrittenPatch, code: str, lang: str, console: Console) -> None:
    """Print a whole prescription as code, then as a diff, then all that there is to say of that."""
    emit(console, Text(f"\n{visible_lines(code)}\n"), soft_wrap=True)
    show_diff(written.diff, console)
    emit(console, *_sentences(written, lang, console), soft_wrap=True)


def show_diff(diff: str, console: Console) -> None:
    """Print a diff, to the character where it does not go to a terminal."""
    if not console.is_terminal:
        console.file.write(diff)
        console.file.flush()
        return
    for line in diff.split("\n")[: -1 if diff.endswith("\n") else None]:
        console.print(Text(visible(line), style=STYLES.get(line[:1], "")), soft_wrap=True)


def tell(written: WrittenPatch, lang: str, console: Console) -> None:
    """Print what there is to say of a diff, and the lines to paste for what was left out of it."""
    emit(console, *_sentences(written, lang, console), soft_wrap=True)
    if written.code:
        emit(console, Text(f"\n{visible_lines(written.code)}", style="dim"), soft_wrap=True)


def tell_kept(file: Path, lang: str, console: Console) -> None:
    """Print where the script is kept as it was before a patch was applied."""
    told = Message("The script is changed; as it was, it is kept as {file}.", {"file": visible(file.name)})
    emit(console, Text(f"{glyphs_for(console.encoding).note} {say(told, lang)}"), soft_wrap=True)


def as_json(written: WrittenPatch, lang: str) -> str:
    """The diff, what was left out of it and why, and whether the patched script trains as the trial did."""
    agreement = written.agreement
    left = [
        {"remedy": one.item.remedy, "why": say(one.why, lang) if isinstance(one.why, Message) else one.why}
        for one in written.patch.left
    ]
    whole = {
        "schema": "gradmedic.patch/1",
        "diff": written.diff,
        "left": left,
        "code": written.code,
        "holds": agreement.holds if agreement else None,
        "agreement": say(agreement.sentence, lang) if agreement else None,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _sentences(written: WrittenPatch, lang: str, console: Console) -> Iterator[RenderableType]:
    """How the patched script trained, and what was left to the user, and why."""
    glyphs = glyphs_for(console.encoding)
    if not can_say(translator(lang)("Verdict"), console.encoding):
        lang = "en"
    if written.agreement is not None:
        mark = glyphs.healthy if written.agreement.holds else glyphs.critical
        yield Text(f"{mark} {say(visible(written.agreement.sentence), lang)}", style="bold")
    for left in written.patch.left:
        values = {"remedy": visible(left.item.remedy), "why": visible(left.why)}
        yield Text(f"{glyphs.note} {say(Message('{remedy} is left to you: {why}.', values), lang)}")
