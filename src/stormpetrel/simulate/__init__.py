"""A small simulated estate with faults that speaks the real protocols."""
