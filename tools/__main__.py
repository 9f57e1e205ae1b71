"""python -m tools COMMAND: the technician's tool, where the script `recorder` is not installed."""

import sys

from tools.recorder.cli import main

sys.exit(main())
