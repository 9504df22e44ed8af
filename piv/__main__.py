"""``python -m piv``: the command line."""

import sys

from piv.entry import main

sys.exit(main())
