"""Tests of evenflow.streams, a file for each of its files."""
