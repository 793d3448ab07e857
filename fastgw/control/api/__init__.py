"""The admin API: one table of endpoints (endpoints.py), behind one guard (guard.py)."""
