"""Mirrors `src/evenflow/asyncapi`."""
