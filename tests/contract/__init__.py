"""The contract, tested from the outside: only public names, only what the contract promises."""
