"""Findings to incidents."""
