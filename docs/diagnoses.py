"""Write the page of each rule, as `gradmedic explain` prints it, to docs/diagnoses."""

from pathlib import Path

from gradmedic.explain import page
from gradmedic.rules import all_rules

FOLDER = Path(__file__).parent / "diagnoses"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in all_rules():
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
