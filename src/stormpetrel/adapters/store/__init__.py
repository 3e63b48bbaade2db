"""Stores: ClickHouse (in this process or remote) and the relational control store."""
