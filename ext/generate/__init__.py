"""Generators: one table each, committed output, checked for freshness by `./dev check`."""
