"""Write the page of each rule, as `gradmedic explain` prints it, to docs/diagnoses."""

from pathlib import Path

from gradmedic.diagnosis.rules import all_rules
from gradmedic.render.manual.rule_page import page

FOLDER = Path(__file__).parent / "diagnoses"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in all_rules():
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
