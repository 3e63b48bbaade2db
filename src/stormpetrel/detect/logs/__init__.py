"""Detectors over log records."""
