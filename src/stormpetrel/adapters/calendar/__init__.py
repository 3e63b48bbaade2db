"""Where calendar entries come from outside of the configuration: files, addresses, clusters, tables."""
