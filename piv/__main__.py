"""``python -m piv``: the command line."""

import sys

from piv.cli import main

sys.exit(main())
