"""A small simulated estate with faults on demand, for the demo, for replay and for tests."""
