"""`python -m evenflow.cli`, where the script `evenflow` is not on the path."""

import sys

from . import main

sys.exit(main())
