"""The policy runner and one file for each policy."""
