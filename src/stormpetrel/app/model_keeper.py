"""Keeps model state on disk: every few minutes and at the end, from copies, without holding up judging."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog

from stormpetrel.app import model_state
from stormpetrel.app.config import Config
from stormpetrel.app.model_file import ModelState
from stormpetrel.app.model_folder import ModelFolder
from stormpetrel.app.model_rows import SeriesKeys
from stormpetrel.app.model_state import PartFate, Restored
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.errors import StormPetrelError
from stormpetrel.model.time import from_seconds, to_iso
from stormpetrel.model.view import ModelStateView

log = structlog.get_logger(__name__)

_LONGEST_WRITE_SECONDS = 600.0


class ModelKeeper:
    """Writes snapshots of a pipeline to a folder, and puts the newest one back at a start.

    `tick` and `restore` belong to the judge's thread. A snapshot is copied there (some 50 ms for 100,000
    series) and written by a thread of its own; while one is being written no other is taken. What cannot
    be written is logged, told on the page *About*, and tried again at the next turn.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self._config = config
        self._folder = ModelFolder(folder)
        self._keys = SeriesKeys()
        self._period = from_seconds(60.0 * config.detect.snapshot_minutes)
        self._next = 0
        self._writing: threading.Thread | None = None
        self._lock = threading.Lock()
        self._view = ModelStateView()

    @property
    def enabled(self) -> bool:
        """Whether anything is written."""
        return self._period > 0

    def view(self) -> ModelStateView:
        """What the page *About* says of it."""
        with self._lock:
            return self._view

    def restore(self, pipeline: Pipeline) -> Restored | None:
        """Put the newest snapshot that can be read into a pipeline that is as new; None where there is none.

        Cost: reads some 0.5 GB/s.
        """
        state, refused = self._folder.newest() if self.enabled else (None, [])
        told = [f"{one.file}: {one.why}" for one in refused]
        if state is None:
            self._tell(refused=tuple(told))
            return None
        restored = model_state.restore(pipeline, self._config, state, self._keys)
        anew = [fate for fate in restored.fates if not fate.taken]
        for fate in anew:
            log.warning("model_state_learnt_anew", part=fate.name, why=fate.why, program=state.program)
        told += [f"{fate.name}: {fate.why}; learnt anew from the store" for fate in anew]
        self._tell(restored_unix_nano=state.taken_unix_nano, refused=tuple(told))
        log.info("model_state_restored", taken=to_iso(state.taken_unix_nano), parts=_taken(restored.fates))
        return restored

    def tick(self, pipeline: Pipeline, now_unix_nano: int) -> None:
        """Time has reached `now`: take a snapshot when one is due and none is being written."""
        if not self.enabled or now_unix_nano < self._next or self._busy():
            return
        if self._next:  # the first turn only starts the clock: what was just restored is on disk
            state = model_state.capture(pipeline, self._config, now_unix_nano, self._keys)
            self._writing = threading.Thread(target=self._write, args=(state,), name="model-state")
            self._writing.start()
        self._next = now_unix_nano + self._period

    def close(self, pipeline: Pipeline, now_unix_nano: int) -> None:
        """Write the last one; when judging has ended."""
        if self._writing is not None:
            self._writing.join(_LONGEST_WRITE_SECONDS)
        if self.enabled and not self._busy():
            self._write(model_state.capture(pipeline, self._config, now_unix_nano, self._keys))

    def _busy(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _write(self, state: ModelState) -> None:
        begun = perf_counter()
        try:
            path = self._folder.write(state)
        except (OSError, ValueError, StormPetrelError) as error:
            text = f"{type(error).__name__}: {error}"
            log.error("model_state_not_written", error=text)
            self._tell(trouble=f"the last snapshot could not be written: {text}")
            return
        seconds = perf_counter() - begun
        size = path.stat().st_size
        log.debug("model_state_written", file=path.name, bytes=size, seconds=round(seconds, 3))
        self._tell(written_unix_nano=state.taken_unix_nano, bytes=size, write_seconds=seconds, trouble="")

    def _tell(self, **changes: Any) -> None:
        with self._lock:
            self._view = replace(self._view, **changes)


def _taken(fates: tuple[PartFate, ...]) -> list[str]:
    return [fate.name for fate in fates if fate.taken]
