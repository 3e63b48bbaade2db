"""Reports of incidents: what they say (`compose`), and the three ways it is written (`as_…`)."""
