"""A subject inside the frameworks that people use: its life is theirs."""
