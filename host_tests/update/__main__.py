"""Every pair of power cuts of an update, with counts:  python -m host_tests.update"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from test_update_power import main

sys.exit(main())
