"""The only place where third-party clients and the operating system are touched."""
