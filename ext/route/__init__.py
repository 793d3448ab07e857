"""The plan, the snapshot that maps it, and the matcher."""
