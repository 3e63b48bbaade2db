"""Detectors over metric series."""
