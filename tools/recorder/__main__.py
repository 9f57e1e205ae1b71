"""python -m tools.recorder"""

import sys

from tools.recorder.cli import main

sys.exit(main())
