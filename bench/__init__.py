"""Benchmarks: fastgw beside other proxies, measured the way METHOD in `bench/plain.py` says."""
