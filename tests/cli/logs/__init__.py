"""The commands for logs on disk."""
