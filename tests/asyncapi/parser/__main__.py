"""`python -m tests.asyncapi.parser`: fetch the parser, and print where it is."""

from . import fetched

print(fetched())  # noqa: T201 -- a command talks
