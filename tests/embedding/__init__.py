"""A subject inside web frameworks, which open and close it."""
