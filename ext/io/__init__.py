"""Sockets: the engine, listeners and streams."""
