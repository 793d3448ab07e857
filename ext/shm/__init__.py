"""State that outlives a process: segments and counters."""
