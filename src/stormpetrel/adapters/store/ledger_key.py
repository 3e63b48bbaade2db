"""What is kept of the ledger outside of it: the key that seals its end, and the end that was seen last."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

from stormpetrel.errors import StoreError
from stormpetrel.model.ledger import LedgerHead

KEY_FILE = "ledger.key"
SEEN_FILE = "ledger.seen"
_BYTES = 32


class LedgerKey:
    """The key in a directory, made at the first entry and read once; beside it the end that was seen last.

    The second is what tells an older state of the whole database from the present one: both have a good seal.

    Several processes on one database need the same file: copy it to the other machines' data directories.

    Args:
        directory: where `ledger.key` lies; None: there is no place for one, and nothing can be entered.
    """

    def __init__(self, directory: Path | None) -> None:
        self._path = None if directory is None else directory / KEY_FILE
        self._key: bytes | None = None

    def read(self, make: bool) -> bytes:
        """The key.

        Args:
            make: whether the ledger is still empty, so that a new key may be made.

        Raises:
            StoreError: it is missing though there are entries, or the file cannot be used.
        """
        if self._key is None:
            if self._path is None:
                raise StoreError(
                    "the ledger's key has no place: name the data directory when opening the store"
                )
            self._key = self._load(self._path, make)
        return self._key

    def seen(self) -> LedgerHead | None:
        """The end of the ledger that this directory has seen; None before the first.

        Raises:
            StoreError: the file cannot be used.
        """
        if self._path is None:
            return None
        path = self._path.with_name(SEEN_FILE)
        try:
            found = path.read_text(encoding="ascii").split()
            if not found:
                return None  # it was written when the power went; as good as none
            count, entry_hash, seal = found
            return LedgerHead(int(count), entry_hash, seal)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: it cannot be read: {error}; look at it, then remove it") from error

    def saw(self, head: LedgerHead) -> None:
        """Remember an end that was committed, without flushing: to be behind by some entries does no harm."""
        if self._path is None:
            return
        path = self._path.with_name(SEEN_FILE)
        draft = path.with_name(f".{SEEN_FILE}.{os.getpid()}.{threading.get_ident()}")
        try:
            draft.write_text(f"{head.count} {head.entry_hash} {head.seal}\n", encoding="ascii")
            draft.chmod(0o600)
            draft.replace(path)
        except OSError:
            # It is committed, and must not be called a failure because this copy of its number could not be.
            draft.unlink(missing_ok=True)

    @staticmethod
    def _load(path: Path, make: bool) -> bytes:
        try:
            if make:
                _make(path)
            found = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            raise StoreError(
                f"{path}: the key of the ledger is missing though the ledger has entries;"
                " copy it from the machine or the backup where the ledger began"
            ) from None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: the key of the ledger cannot be used: {error}") from error
        if len(found) != _BYTES:
            raise StoreError(f"{path}: the key of the ledger is damaged: restore the file from a backup")
        return found


def _make(path: Path) -> None:
    """Whole or not at all, and never over another one: of several that make it at once, one wins."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, secrets.token_hex(_BYTES).encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
