"""That type checkers look here at all, and which Python they think it is."""

import sys
from typing import assert_type

assert_type(sys.version_info >= (3, 11), bool)
