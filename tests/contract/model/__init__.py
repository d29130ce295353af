"""A subject against a simple model of it: random steps on asyncio and on trio."""
