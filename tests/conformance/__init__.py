"""One suite for any log: what LOG.md promises, seen from outside, on each engine."""
