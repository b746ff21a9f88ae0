"""Write the page of each remedy, as `gradmedic explain` prints it, to docs/remedies, and a list of all."""

from pathlib import Path

from gradmedic.render.manual.remedy_page import page
from gradmedic.treatment.remedies import Alters, all_remedies

FOLDER = Path(__file__).parent / "remedies"

HEAD = """# Remedies

Treatments that apply to a script without a change of it: `gradmedic run --with prescription.toml train.py`. Each is
a table of a prescription; its page says what it does, when it helps, and how its dose is chosen.
"""


def listed(depth: Alters) -> str:
    """The remedies that cut so deep."""
    held = [(name, remedy) for name, remedy in all_remedies().items() if remedy.alters is depth]
    lines = [f"| [{name}]({name}.md) | {', '.join(remedy.cures)} |\n" for name, remedy in held]
    title = f"{depth.value[0].upper()}{depth.value[1:]}"
    return f"\n## {title}\n\n| remedy | for |\n| --- | --- |\n{''.join(lines)}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in all_remedies():
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
    (FOLDER / "README.md").write_text(HEAD + "".join(map(listed, Alters)), encoding="utf-8")
