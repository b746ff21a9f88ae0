"""Write the page of each rule, as `gradmedic explain` prints it, to docs/diagnoses, and a list of all."""

from inspect import cleandoc
from pathlib import Path

from gradmedic.diagnosis.rules import all_rules
from gradmedic.render.manual.rule_page import page

FOLDER = Path(__file__).parent / "diagnoses"

HEAD = """# Diagnoses

What gradmedic can find, a page each: what it is, why it hurts, what causes it, what to write instead. In a terminal,
`gradmedic explain NAME` prints the same.

| diagnosis | finds |
| --- | --- |
"""


def listed(name: str) -> str:
    """One line of the table: the first sentence of the page."""
    lines = cleandoc(all_rules()[name].__doc__ or "").splitlines()
    said = " ".join(line for line in lines if not line.startswith("#")).split(". ")[0].rstrip(".")
    return f"| [{name}]({name}.md) | {said.replace('|', '&#124;')} |\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in all_rules():
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
    (FOLDER / "README.md").write_text(HEAD + "".join(map(listed, all_rules())), encoding="utf-8")
