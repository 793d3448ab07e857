"""Memory, time and reasons: nothing in here knows HTTP."""
