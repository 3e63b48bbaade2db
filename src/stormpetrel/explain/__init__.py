"""Root causes: evidence from metrics, logs, calls, the graph and changes, fused into ranked hypotheses."""
