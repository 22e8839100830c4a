"""Run the terminal door as ``python -m bailiwick.cli``: the same program where no script is installed."""

import sys

from bailiwick.cli import main

sys.exit(main())
