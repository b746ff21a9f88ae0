"""`python -m gradmedic` is the same as `gradmedic`."""

import os
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(sys.executable)  # as the command has it: not a folder with modules of the user's
    from gradmedic.cli import main

    main()
