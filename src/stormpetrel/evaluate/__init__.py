"""Replay, scores and reports, for our own figures and for the user's own history."""
