"""TensorBoard: an event file of our own beside the script's, so that its own stays as it is."""

import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from time import strftime
from typing import Any, ClassVar, Self

from gradmedic.sinks import STEP, Sink

FOLDER = "gradmedic"
"""The run of ours below the folder of the script's writer."""
MODULES = ("torch.utils.tensorboard.writer", "tensorboardX.writer")


class TensorBoardSink(Sink):
    """Scalars and texts in `<log_dir>/gradmedic`, a run of its own in TensorBoard."""

    name: ClassVar[str] = "tensorboard"

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))

    @classmethod
    def found(cls) -> Self | None:
        """Beside the writer that the script has made."""
        kinds = [sys.modules[name].SummaryWriter for name in MODULES if name in sys.modules]
        for kind in kinds:
            for writer in gc.get_referrers(kind):
                if type(writer) is kind and getattr(writer, "log_dir", None):
                    return cls(Path(writer.log_dir) / FOLDER)
        return None

    @classmethod
    def opened(cls) -> Self | None:
        """Beside the script's writer, or in the folder that TensorBoard looks into."""
        return cls.found() or cls(Path("runs", f"{FOLDER}-{strftime('%Y%m%d-%H%M%S')}"))

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """A scalar for each number."""
        for name, value in values.items():
            if name != STEP:
                self._writer.add_scalar(name, value, step)

    def finding(self, step: int, title: str, text: str, severe: bool) -> None:
        """A text under the name of the rule."""
        self._writer.add_text(f"gradmedic/{title}", text, step)

    def report(self, path: Path) -> None:
        """TensorBoard shows no HTML: the report lies beside the events."""
        Path(self._writer.log_dir, path.name).write_bytes(path.read_bytes())

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
