"""Each example is run."""
