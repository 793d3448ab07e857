"""The master: keeps processes and listening sockets, and learns no features.

It is one small, single-threaded loop that must not crash, so it imports no user code, no
YAML and no model library: a child process reads the configuration (compiler.py).
"""
