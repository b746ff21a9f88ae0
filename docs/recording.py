"""Write the tables of columns and events into docs/reference/recording.md."""

from pathlib import Path

from gradmedic.render.manual.recording_columns import written

PAGE = Path(__file__).parent / "reference" / "recording.md"

if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
