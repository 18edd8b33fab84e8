"""`python -m lrfinder_widget` is the command `lr-finder`."""

import sys

from lrfinder_widget.command import main

if __name__ == "__main__":
    sys.exit(main())
