"""Jobs in the background: one at a time, bounded, with progress, to be cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from time import perf_counter
from typing import Generic, TypeVar

import structlog

from stormpetrel.errors import NotFoundError, OverloadedError, StateError, StormPetrelError
from stormpetrel.model.job import Job, JobState

log = structlog.get_logger(__name__)

J = TypeVar("J", bound=Job)
Progress = Callable[[float], None]

_MOST_ERROR = 500
_ENDED = "the process ended before it was done; run it again"


class _CancelledError(Exception):
    """A person wants no result any more, or the process ends."""


class JobQueue(Generic[J]):
    """Queues jobs and runs them one after the other, oldest first. Safe from any thread; one worker thread,
    started with the first job.

    A job that raises has failed and says why; the worker goes on. What was open when a process ended has
    failed by that.

    Args:
        what: what a job is called, one word.
        name_of: the id of a job.
        run: does it, and gives it back done; is handed what to tell its share of progress (0 to 1), which
            ends it when it was cancelled.
        keep: keeps a job as it is now; must not raise.
        most_waiting: jobs that may be open besides the one that is asked for.
    """

    def __init__(
        self,
        what: str,
        name_of: Callable[[J], str],
        run: Callable[[J, Progress], J],
        keep: Callable[[J], None],
        most_waiting: int,
    ) -> None:
        self._what, self._name_of, self._run, self._keep = what, name_of, run, keep
        self._most = most_waiting
        self._lock = threading.Condition()
        self._jobs: dict[str, J] = {}
        self._cancelled: set[str] = set()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.finished: Callable[[list[J]], Iterable[str]] = lambda _: ()
        """Is told of all jobs, oldest first, when one has ended; the ids of those to be forgotten."""

    def recall(self, kept: Iterable[J]) -> None:
        """Take over those that were kept; what was open then is kept as failed."""
        for job in kept:
            known = job
            if job.state.open:
                known = replace(job, state=JobState.FAILED, error=_ENDED)
                self._keep(known)
            self._jobs[self._name_of(known)] = known

    def all(self) -> list[J]:
        """All that are known, newest first; those of one moment by id, as the control store lists them."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda one: (-one.created_unix_nano, self._name_of(one)))

    def one(self, job_id: str) -> J:
        """One of them; NotFoundError."""
        with self._lock:
            found = self._jobs.get(job_id)
        if found is None:
            raise NotFoundError(f"there is no {self._what} {job_id[:60]}; only the last few are kept")
        return found

    def submit(self, job: J) -> J:
        """Queue a job.

        Raises:
            OverloadedError: too many wait already.
        """
        with self._lock:
            if sum(one.state.open for one in self._jobs.values()) > self._most:
                raise OverloadedError(
                    f"{self._most} {self._what}s wait already; cancel one, or come back later"
                )
            self._jobs[self._name_of(job)] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._what, daemon=True)
                self._thread.start()
            self._lock.notify_all()
        self._keep(job)
        return job

    def cancel(self, job_id: str) -> J:
        """Stop it at the next step; NotFoundError, StateError when it is over."""
        with self._lock:
            job = self.one(job_id)
            if not job.state.open:
                raise StateError(f"the {self._what} {job_id} is {job.state} and cannot be cancelled")
            if job.state is JobState.RUNNING:
                self._cancelled.add(job_id)
            else:
                job = self._jobs[job_id] = replace(job, state=JobState.CANCELLED)
        if not job.state.open:
            self._keep(job)
        return job

    def close(self) -> None:
        """Cancel what runs and end; what was queued is failed at the next start."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(30)

    # ------------------------------------------------------------------------------------- the worker

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job_id, begun = self._name_of(job), perf_counter()
            try:
                done = self._run(job, self._progress(job_id))
            except _CancelledError:
                done = replace(self.one(job_id), state=JobState.CANCELLED)
            except StormPetrelError as error:
                done = replace(job, state=JobState.FAILED, error=str(error)[:_MOST_ERROR])
            # A defect in a detector must not end the only worker; the job says so.
            except Exception as error:  # logged, shown with the job
                log.exception("job_failed", what=self._what, job=job_id)
                told = f"{type(error).__name__}: {error}"[:_MOST_ERROR]
                done = replace(job, state=JobState.FAILED, error=told)
            self._finish(job_id, replace(done, seconds=perf_counter() - begun))

    def _next(self) -> J | None:
        """The oldest that waits, now running; None when this ends."""
        with self._lock:
            while not self._closing:
                waiting = [one for one in self._jobs.values() if one.state is JobState.QUEUED]
                if waiting:
                    oldest = min(waiting, key=lambda one: (one.created_unix_nano, self._name_of(one)))
                    running = replace(oldest, state=JobState.RUNNING)
                    self._jobs[self._name_of(running)] = running
                    return running
                self._lock.wait(5.0)
            return None

    def _progress(self, job_id: str) -> Progress:
        def tell(share: float) -> None:
            with self._lock:
                if self._closing or job_id in self._cancelled:
                    raise _CancelledError
                now = self._jobs[job_id]
                self._jobs[job_id] = replace(now, progress_ratio=min(max(share, 0.0), 1.0))

        return tell

    def _finish(self, job_id: str, job: J) -> None:
        with self._lock:
            self._jobs[job_id] = job
            self._cancelled.discard(job_id)
        self._keep(job)
        with self._lock:
            # Of one moment in the order they were asked for, so that the last is never let go at once.
            known = sorted(self._jobs.values(), key=lambda one: one.created_unix_nano)
        dropped = list(self.finished(known))
        with self._lock:
            for one in dropped:
                self._jobs.pop(one, None)
