"""Mirrors `src/evenflow/log`."""
