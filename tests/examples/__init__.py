"""Every example is run as a user runs it."""
