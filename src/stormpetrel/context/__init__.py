"""The one calendar: what is expected, what recurs, and which jobs did not do what they usually do."""
