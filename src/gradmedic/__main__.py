"""`python -m gradmedic` is the same as `gradmedic`."""

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run one command, with the path that it has as `gradmedic`: without a folder that holds modules of the user's."""
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(sys.executable)
    from gradmedic.cli import main as command

    command()


if __name__ == "__main__":
    main()
