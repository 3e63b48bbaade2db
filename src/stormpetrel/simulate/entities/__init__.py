"""What each entity of the estate reports of an operation: one file an entity, columns out."""
