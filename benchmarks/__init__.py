"""How fast evenflow is, one file a question; `python -m benchmarks --help` says how to ask them."""
