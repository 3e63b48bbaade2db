"""The kill switch as a file: whoever can write one stops all automation, whatever else works."""

from __future__ import annotations

from pathlib import Path

from stormpetrel.errors import StoreError
from stormpetrel.model.facts import Switch

KILL_FILE = "kill-switch"
_LONGEST_REASON = 500


class KillFile:
    """`kill-switch` in the data directory; that it is there engages the global switch, its content is why.

    Read it whenever facts are gathered for a dispatch: that costs some microseconds. A file that cannot be
    looked for counts as there: what is not known stops.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / KILL_FILE

    def switches(self) -> tuple[Switch, ...]:
        """The global switch while the file is there, since the file was written; else nothing."""
        try:
            since = self.path.stat().st_mtime_ns
            reason = self.path.read_bytes()[: 4 * _LONGEST_REASON].decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return ()
        except OSError as error:
            since, reason = 0, f"it cannot be looked for: {error.strerror}"
        return (Switch("global", "file", since, reason[:_LONGEST_REASON] or f"{self.path} is there"),)

    def engage(self, reason: str) -> None:
        """Write the file; one that is there stays as it is.

        Raises:
            StoreError: it cannot be written.
        """
        try:
            with self.path.open("x", encoding="utf-8") as file:
                file.write(reason[:_LONGEST_REASON] + "\n")
        except FileExistsError:
            return
        except OSError as error:
            raise StoreError(
                f"{self.path}: it cannot be written: {error.strerror}; touch it as root"
            ) from error
