"""`python -m evenflow.cli`, for when the script `evenflow` is not on the path."""

import sys

from . import main

sys.exit(main())
