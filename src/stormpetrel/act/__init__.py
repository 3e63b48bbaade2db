"""Guarded automation: runbooks become plans, plans are judged, runs are driven and verified. Pure."""
