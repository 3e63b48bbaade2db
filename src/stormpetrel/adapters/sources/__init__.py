"""Sources: this host, files, journald, scraping."""
