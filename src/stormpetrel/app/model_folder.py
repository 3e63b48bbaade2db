"""The folder of model state: the two newest files, and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from stormpetrel.app import model_file
from stormpetrel.app.model_file import ModelState
from stormpetrel.errors import ModelStateError

log = structlog.get_logger(__name__)

KEPT = 2
_NAME = "models-{:020d}.npz"


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be used, and why."""

    file: str
    why: str


class ModelFolder:
    """Files named by the moment they were taken; written whole, the last `KEPT` stay.

    One process owns the folder (the lock of the data directory sees to it), one thread at a time writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, state: ModelState) -> Path:
        """Add a file and let older ones go.

        Raises:
            OSError: it could not be written; what was there before is untouched.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / _NAME.format(max(0, state.taken_unix_nano))
        try:
            model_file.write(path, state)
        except BaseException:
            path.with_suffix(".part").unlink(missing_ok=True)
            raise
        for old in self.files()[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def files(self) -> list[Path]:
        """The files, newest first."""
        return sorted(self._folder.glob("models-*.npz"), reverse=True)

    def newest(self) -> tuple[ModelState | None, list[Refused]]:
        """The newest file that can be read, and those newer ones that cannot, with the reason.

        What a dying process left half-written is removed. Cost: reads a file whole, about 0.5 GB/s.
        """
        for partial in self._folder.glob("models-*.part"):
            log.info("model_state_half_written", file=partial.name)
            partial.unlink(missing_ok=True)
        refused: list[Refused] = []
        for path in self.files():
            try:
                return model_file.read(path), refused
            except ModelStateError as error:
                log.warning("model_state_refused", file=path.name, reason=error.reason, error=str(error))
                refused.append(Refused(path.name, str(error)))
        return None, refused
