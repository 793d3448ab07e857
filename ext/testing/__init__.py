"""Fakes of the contracts and doors into nogil code; never installed."""
