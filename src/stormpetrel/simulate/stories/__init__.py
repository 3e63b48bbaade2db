"""The stories that must be impossible, as worlds in which they would happen without guardrails."""
