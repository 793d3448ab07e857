"""Heads, chunks, targets and names of HTTP/1.1, without any I/O."""
