"""What other tests use of the suite's own words."""

from evenflow.testing.conformance._engine._kit import append, event, texts
from evenflow.testing.conformance._kit import PATIENCE, numbers, take, until

__all__ = ["PATIENCE", "append", "event", "numbers", "take", "texts", "until"]
