"""Backups of this system's own data: one moment of it, as one file that can be checked and put back.

`snapshot.py` holds a moment still, `pack.py` writes it into an archive, `unpack.py` reads one and trusts
nothing in it, `restore.py` makes a data directory of it. `desk.py` is the running server's part: it holds
the moment still, and whoever asked packs it.
"""
