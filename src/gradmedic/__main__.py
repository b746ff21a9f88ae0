"""`python -m gradmedic` is the same as `gradmedic`."""

from gradmedic.cli import main

if __name__ == "__main__":
    main()
