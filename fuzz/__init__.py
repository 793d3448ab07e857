"""Fuzzing of the nogil entries with libFuzzer; `python fuzz/run.py` builds and runs."""
