"""The suite of evenflow: it mirrors `src/evenflow` file by file; `contract` looks from outside alone."""
