"""Telling people elsewhere: what is told, to whom, how often it is tried, and what became of it."""
