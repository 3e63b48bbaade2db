"""Composition: configuration, the pipeline's order, the runtime and the use-cases."""
