"""Frozen value types that every stage shares: no I/O, no clock, no third-party clients."""
