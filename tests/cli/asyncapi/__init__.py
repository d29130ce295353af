"""The command `evenflow asyncapi`."""
