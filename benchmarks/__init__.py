"""How fast evenflow is: one file for each question; `python -m benchmarks --help` shows how to run them."""
