"""How a statement gets to the engine: a bounded set of clients, lent to one thread at a time.

Everything the engine or its client raises leaves here as `StoreError` or `StoreFullError`.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from stormpetrel.errors import StoreError, StoreFullError, UnstorableError

Parameters = Mapping[str, Any]
Answer = TypeVar("Answer")

# For every client. An insert has to be one block, so that it becomes one part or none; answers come as
# Arrow with text as text.
SETTINGS: dict[str, Any] = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "max_insert_block_size": 1 << 40,
    "min_insert_block_size_rows": 1 << 40,
    "min_insert_block_size_bytes": 1 << 50,
    "output_format_arrow_string_as_string": 1,
    "max_execution_time": 120,
}

_BUSY_SECONDS = 60.0
_CLOSE_SECONDS = 30.0
_ATTEMPTS = 4
_FULL_CODES = frozenset({243})  # NOT_ENOUGH_SPACE
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_TEXTS = ("No space left on device", "NOT_ENOUGH_SPACE", "Disk quota exceeded", "errno: 28")
# Rows that do not fit: cannot be parsed, converted or held by the type of their column, or are too large.
_UNFIT_CODES = frozenset({6, 26, 27, 53, 69, 70, 72, 117, 128, 131, 321, 349})
# Worth asking a server again: too many queries, read-only for the moment, time-outs, network, Keeper.
_PASSING_CODES = frozenset({159, 202, 209, 210, 242, 252, 319, 425, 999})


class Connections:
    """A bounded set of clients of one engine.

    A client is used by one thread at a time, and given up once a call on it failed: a chDB connection
    begins its next answer with what it had written of the failed one. `anchor` is never lent: it keeps
    the engine running meanwhile.

    `limit` calls run at once, further ones wait for up to a minute and then fail with `StoreError`. With
    `retry`, calls that failed in transport or for a passing reason are sent again, four times in all
    over about three seconds: every statement of this store may be repeated (inserts carry a token, series
    and findings replace themselves, DDL says IF NOT EXISTS). `before_insert` may refuse an insert by raising.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        limit: int,
        *,
        retry: bool,
        name: str,
        anchor: Client,
        before_insert: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect = connect
        self._retry = retry
        self._before_insert = before_insert
        self.name = name
        self._limit = limit
        self._room = threading.BoundedSemaphore(limit)
        self._lock = threading.Lock()
        self._anchor = anchor
        self._idle: list[Client] = []
        self._closed = False

    def query(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """Run a SELECT; the whole answer as an Arrow table of one chunk a column."""
        asked = dict(parameters or {})

        def call(client: Client) -> pa.Table:
            answer = client.raw_query(sql, asked, fmt="Arrow")
            return pa.ipc.open_file(pa.py_buffer(answer)).read_all().combine_chunks()

        return self._run(call)

    def value(self, sql: str, parameters: Parameters | None = None) -> Any:
        """The first column of the first row of a SELECT."""
        return self.query(sql, parameters).column(0)[0].as_py()

    def command(self, sql: str) -> None:
        """Run a statement that answers nothing."""
        self._run(lambda client: client.command(sql))

    def insert(self, table: str, rows: pa.Table, token: str = "") -> None:
        """Insert rows as one block; the same token again within the table's window is no insert.

        Raises:
            UnstorableError: these rows are at fault, by what the engine or its client says.
            StoreError: see above.
        """
        self._before_insert()
        settings = {"insert_deduplication_token": token} if token else {}
        try:
            self._run(lambda client: client.insert_arrow(table, rows, settings=settings))
        except StoreError as error:
            if _blames_rows(error.__cause__):
                raise UnstorableError(str(error)) from error
            raise

    def close(self) -> None:
        """Refuse further calls, wait up to half a minute for those under way, and close every client."""
        with self._lock:
            self._closed = True
        deadline = time.monotonic() + _CLOSE_SECONDS
        drained = 0
        while drained < self._limit and self._room.acquire(timeout=max(0.0, deadline - time.monotonic())):
            drained += 1
        with self._lock:
            idle, self._idle = self._idle, []
        for client in (*idle, self._anchor):
            self._give_up(client)
        for _ in range(drained):
            self._room.release()

    def _run(self, call: Callable[[Client], Answer]) -> Answer:
        if not self._retry:
            return self._once(call)
        attempts = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.4, max=3.0),
            retry=retry_if_exception(_passing),
            reraise=True,
        )
        answer: Answer = attempts(self._once, call)
        return answer

    def _once(self, call: Callable[[Client], Answer]) -> Answer:
        try:
            with self._lend() as client:
                return call(client)
        except (ClickHouseError, OSError, RuntimeError, pa.ArrowException, UnicodeError) as error:
            raise explain(error, self.name) from error

    @contextmanager
    def _lend(self) -> Iterator[Client]:
        if not self._room.acquire(timeout=_BUSY_SECONDS):
            raise StoreError(f"{self.name}: all connections are busy; ask again later")
        try:
            client = self._take()
            try:
                yield client
            except BaseException:
                self._give_up(client)
                raise
            self._give_back(client)
        finally:
            self._room.release()

    def _take(self) -> Client:
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.name}: the store is closed; open it again")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, client: Client) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(client)
                return
        self._give_up(client)

    @staticmethod
    def _give_up(client: Client) -> None:
        with suppress(ClickHouseError):
            client.close()


def _blames_rows(cause: BaseException | None) -> bool:
    unfit = isinstance(cause, (UnicodeError, pa.ArrowInvalid, pa.ArrowTypeError))
    return unfit or getattr(cause, "code", None) in _UNFIT_CODES


def explain(error: Exception, name: str) -> StoreError:
    """The engine's error in this package's terms."""
    text = " ".join(str(error).split())[:500]
    code = getattr(error, "code", None)
    full = code in _FULL_CODES or getattr(error, "errno", None) in _FULL_ERRNOS
    if full or any(words in text for words in _FULL_TEXTS):
        return StoreFullError(f"{name}: no space left; free some or shorten retention ({text})")
    return StoreError(f"{name}: {text or type(error).__name__}")


def _passing(error: BaseException) -> bool:
    """Whether a server may answer otherwise in a moment: transport failures and overload."""
    cause = error.__cause__
    if not isinstance(error, StoreError) or cause is None or isinstance(error, StoreFullError):
        return False
    code = getattr(cause, "code", None)
    return code in _PASSING_CODES or (code is None and isinstance(cause, (ClickHouseError, OSError)))
