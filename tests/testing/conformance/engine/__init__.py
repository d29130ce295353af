"""The part of the suite below a log."""
