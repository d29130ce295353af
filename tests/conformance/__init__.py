"""Our own engines under `evenflow.testing.conformance`, the suite that anybody can run: one file for each engine."""
