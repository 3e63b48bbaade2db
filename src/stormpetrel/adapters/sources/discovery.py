"""The source that scrapes what lists of targets name: Prometheus' file_sd and http_sd."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import xxhash

from stormpetrel.adapters.sources.discovery_fetch import Fetcher
from stormpetrel.adapters.sources.discovery_lists import MAX_LIST_BYTES, FileLists, read_answer
from stormpetrel.adapters.sources.discovery_targets import DiscoveryError, FoundTarget, Group, targets_of
from stormpetrel.adapters.sources.scrape import MAX_BODY_BYTES
from stormpetrel.adapters.sources.scrape_target import (
    ACCEPT,
    Page,
    Parse,
    ScrapedTarget,
    ScrapeError,
    hand_over,
)
from stormpetrel.errors import StormPetrelError
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import SeriesInterner

# Files are only asked whether they changed: that may be often.
_LOOK_SECONDS = 2.0
_STOP_SECONDS = 0.1


class DiscoverySettings(Protocol):
    """One job; `app.config_sources.DiscoveryConfig` is one."""

    @property
    def name(self) -> str:
        """The job's name."""
        ...

    @property
    def files(self) -> Sequence[str]:
        """Patterns of file_sd lists."""
        ...

    @property
    def url(self) -> str:
        """Where an http_sd list is; empty: none."""
        ...

    @property
    def refresh_seconds(self) -> float:
        """Time between looks at the lists."""
        ...

    @property
    def interval_seconds(self) -> float:
        """Time between scrapes."""
        ...

    @property
    def timeout_seconds(self) -> float:
        """How long one scrape may take as a whole."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels added to every series."""
        ...

    @property
    def bearer_token_file(self) -> str:
        """File with the token sent along, read anew for every request; empty: none."""
        ...

    @property
    def max_targets(self) -> int:
        """Targets beyond this are left out."""
        ...


@dataclass(slots=True)
class _Run:
    """What one run holds: its intake, its client, a task for each target, and what no task should raise."""

    intake: Intake
    fetcher: Fetcher
    defects: list[BaseException] = field(default_factory=list)
    tasks: dict[FoundTarget, asyncio.Task[None]] = field(default_factory=dict)
    scraped: dict[FoundTarget, ScrapedTarget] = field(default_factory=dict)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task whose defect is noted."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._note)
        return task

    def _note(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.defects.append(error)


class DiscoverySource:
    """Scrapes every target of its lists as `ScrapeSource` does one, all in one thread.

    Files are read again when they change, the web service is asked every `refresh_seconds`. A list that
    cannot be read is reported and leaves the targets as they are; a target that is listed no more is
    scraped no more and its series are ended by staleness markers. Where the lists name more than
    `max_targets`, the first in order of URL and labels are taken and the others counted. Targets with
    equal URL and labels are one.

    Args:
        config: the job.
        parse: see `scrape_target.Parse`; it runs in this thread, so a page of 10,000 lines holds up the
            others for some 20 ms.
        interner: gives the targets' own series their ids.
        clock: times of scrapes.
        seed: shifts the grids of the targets.
    """

    def __init__(
        self, config: DiscoverySettings, parse: Parse, interner: SeriesInterner, clock: Clock, seed: int = 0
    ) -> None:
        self.name = f"discovery:{config.name}"
        self._config = config
        self._parse = parse
        self._interner = interner
        self._clock = clock
        self._seed = seed
        self._step = from_seconds(config.interval_seconds)
        self._look_seconds = min(_LOOK_SECONDS, config.refresh_seconds)
        self._max_page_bytes = MAX_BODY_BYTES
        self._files = FileLists(config.files)
        self._listed: list[Group] = []  # the last good list of the web service

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Scrape until `stop` is set; scrapes under way are then abandoned."""
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._until(intake, stop))
        finally:
            # Not asyncio.run: it would wait for look-ups of names that nobody answers.
            loop.close()

    async def _until(self, intake: Intake, stop: threading.Event) -> None:
        run = _Run(intake, Fetcher(self._config.max_targets + 1))
        refreshing = run.start(self._refresh(run))
        try:
            while not stop.is_set():
                await asyncio.sleep(_STOP_SECONDS)
                if run.defects:  # ends the run, which is logged, and started again
                    raise run.defects[0]
        finally:
            tasks = [refreshing, *run.tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await run.fetcher.close()

    # lists --------------------------------------------------------------------------------------------
    async def _refresh(self, run: _Run) -> None:
        """Look at the lists for ever, and take up what they say."""
        since = self._config.refresh_seconds  # ask the service at once
        first = True
        while True:
            changed = self._look_at_files(run) or first
            if self._config.url and since >= self._config.refresh_seconds:
                since = 0.0
                changed |= await self._ask(run)
            if changed:
                first = False
                self._take_up(run)
            await asyncio.sleep(self._look_seconds)
            since += self._look_seconds

    def _look_at_files(self, run: _Run) -> bool:
        changed, errors = self._files.look()
        for error in errors:
            self._report(run, error)
        return changed

    async def _ask(self, run: _Run) -> bool:
        """Ask the web service; true when it said something new."""
        url = self._config.url
        headers = {
            "accept": "application/json",
            "x-prometheus-refresh-interval-seconds": f"{self._config.refresh_seconds:g}",
        }
        try:
            self._authorize(headers)
            answer = await run.fetcher.get(url, headers, self._config.timeout_seconds, MAX_LIST_BYTES)
            listed = read_answer(answer.body, answer.content_type, url)
        except (StormPetrelError, OSError, UnicodeError) as error:
            self._report(run, DiscoveryError(f"the targets known before stay: {error}"))
            return False
        changed = listed != self._listed
        self._listed = listed
        return changed

    def _take_up(self, run: _Run) -> None:
        """Begin with targets that are new, end those that are gone."""
        wanted: set[FoundTarget] = set()
        groups = [*self._files.groups(), *self._listed]
        for target in targets_of(groups, self._config.name, self._config.labels):
            if isinstance(target, DiscoveryError):
                run.intake.rejected(self.name, "bad_target", 1, str(target)[:200])
            else:
                wanted.add(target)
        taken = sorted(wanted)[: self._config.max_targets]
        left_out = len(wanted) - len(taken)
        if left_out:
            example = f"{left_out} of {len(wanted)} targets are left out: raise max_targets"
            run.intake.rejected(self.name, "too_many_targets", left_out, example)
        for target in set(run.tasks) - set(taken):
            run.tasks.pop(target).cancel()
            ended = run.scraped.pop(target).end(self._clock.now_unix_nano())
            hand_over(ended, self.name, run.intake)
        for target in taken:
            if target not in run.tasks:
                run.scraped[target] = ScrapedTarget(
                    self.name, dict(target.labels), self._parse, self._interner
                )
                run.tasks[target] = run.start(self._serve(run, target))

    def _report(self, run: _Run, error: DiscoveryError) -> None:
        run.intake.rejected(self.name, error.reason, 1, str(error)[:200])

    # scrapes ------------------------------------------------------------------------------------------
    async def _serve(self, run: _Run, target: FoundTarget) -> None:
        """Scrape one target for ever, on a grid of its own."""
        key = f"{self._config.name} {target.url} {target.labels}".encode()
        phase = xxhash.xxh64_intdigest(key, seed=self._seed) % self._step
        scraped = run.scraped[target]
        before = 0
        while True:
            now = self._clock.now_unix_nano()
            due = ((now - phase) // self._step + 1) * self._step + phase
            if due == before:  # the loop's timer woke a little early
                due += self._step
            before = due
            await asyncio.sleep(to_seconds(due - now))
            page = await self._fetch(run, target)
            samples = scraped.samples(page, due, run.intake)
            hand_over(samples, self.name, run.intake, scraped.failure)

    async def _fetch(self, run: _Run, target: FoundTarget) -> Page:
        seconds, began = self._config.timeout_seconds, time.monotonic()
        headers = {"accept": ACCEPT, "x-prometheus-scrape-timeout-seconds": f"{seconds:g}"}
        try:
            self._authorize(headers)
            answer = await run.fetcher.get(target.url, headers, seconds, self._max_page_bytes)
        except StormPetrelError as error:
            return Page(b"", error, time.monotonic() - began)
        except (OSError, UnicodeError) as error:
            return Page(b"", ScrapeError(f"{self._config.bearer_token_file}: {error}"))
        return Page(answer.body, None, answer.seconds)

    def _authorize(self, headers: dict[str, str]) -> None:
        """Add the token, read anew; OSError or UnicodeError when it cannot be."""
        if self._config.bearer_token_file:
            token = Path(self._config.bearer_token_file).read_text(encoding="utf-8").strip()
            headers["authorization"] = f"Bearer {token}"
