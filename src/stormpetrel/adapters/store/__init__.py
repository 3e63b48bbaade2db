"""The stores: telemetry over the ClickHouse engine, control over SQLAlchemy.

Read `clickhouse.py` (what is written) and `read_*.py` (what is asked) first; `connections.py` is how a
statement gets there, `inprocess.py` and `remote.py` are the two places it can go, `schema.py` is what is
there. The control store is `control.py` with its tables in `control_tables.py`.
"""

from stormpetrel.adapters.store.clickhouse import ClickHouseStore
from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.adapters.store.open import open_control_store, open_store
from stormpetrel.adapters.store.options import StoreOptions

__all__ = ["ClickHouseStore", "SqlControlStore", "StoreOptions", "open_control_store", "open_store"]
