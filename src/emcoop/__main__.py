"""`python -m emcoop` is the command `emcoop`."""

from __future__ import annotations

import sys

from emcoop.cli import main

if __name__ == "__main__":
    sys.exit(main())
