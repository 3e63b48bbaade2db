"""The flight simulator: the past again, with automation awake in it and nothing that it could touch."""
