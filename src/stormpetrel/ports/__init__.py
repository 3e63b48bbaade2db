"""Protocols: what the core asks of the outside world (I/O) and of its algorithms (pure).

The contract of each is in its docstring and is executed by a suite in `stormpetrel.testing`.
"""
