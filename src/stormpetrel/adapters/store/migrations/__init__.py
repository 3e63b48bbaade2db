"""Migrations of the control store, in the form of alembic; run by `control_schema.upgrade`."""
