"""Whether the type checkers look here at all, and for which Python they check."""

import sys
from typing import assert_type

assert_type(sys.version_info >= (3, 11), bool)
