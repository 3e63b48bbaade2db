"""Detection: scores, the alarm policy, findings."""
