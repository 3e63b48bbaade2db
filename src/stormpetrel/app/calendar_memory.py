"""What was learned of slots, in a file: written whole, read whole, and learnt anew when it is damaged."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

log = structlog.get_logger(__name__)


class SlotFile:
    """`slots.npz` in a directory; plain arrays, never pickle. One writer at a time."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "slots.npz"

    def write(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Keep the arrays in place of those before; OSError when there is no room."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self._path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub means another argument
        partial.replace(self._path)

    def read(self) -> dict[str, NDArray[np.generic]] | None:
        """What was written last; None when there is nothing that can be read."""
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            log.warning("slots_not_read", path=str(self._path), error=str(error))
            return None
