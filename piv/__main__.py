"""``python -m piv``: the command line."""

import sys

try:
    from piv.entry import main
except KeyboardInterrupt:  # Ctrl-C in the very first moment
    sys.stderr.write("piv: interrupted\n")
    sys.exit(130)

sys.exit(main())
