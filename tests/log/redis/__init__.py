"""Tests of the engine on Redis and Valkey, on a server that they start and stop themselves."""
