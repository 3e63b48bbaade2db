"""What people say of findings: kept in the control store, heard by the policies from then on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from stormpetrel.app.pipeline import Pipeline
from stormpetrel.detect import feedback as rules
from stormpetrel.detect.feedback import FeedbackBook
from stormpetrel.errors import OverloadedError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.feedback import Adjustment, Feedback, FeedbackPage, Opinion
from stormpetrel.model.finding import Finding
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

# Opinions that may count at a time; beyond it the oldest would be lost, so a new one is refused.
MAX_COUNTING = 5_000
_FADED = from_seconds(rules.FADED_DAYS * 86_400.0)


def book_of(given: Sequence[Feedback], registry: SeriesRegistry) -> FeedbackBook:
    """The opinions with the ids that their series have here; one pass over the registry if any."""
    wanted = {one.subject for one in given}
    if not wanted:
        return FeedbackBook()
    ids = {}
    for series in range(len(registry)):
        text = registry.info(series).text()
        if text in wanted:
            ids[text] = series
    return FeedbackBook(given, ids)


def stored_feedback(control: ControlStore, since_unix_nano: int) -> list[Feedback]:
    """All opinions that may weigh something at or after a moment; undone ones too, for the past."""
    return control.list_feedback(max(0, since_unix_nano - _FADED), 4 * MAX_COUNTING)


class FeedbackDesk:
    """Takes opinions and takes them back. Safe from any thread."""

    def __init__(self, control: ControlStore, pipeline: Pipeline, clock: Clock) -> None:
        self._control = control
        self._pipeline = pipeline
        self._clock = clock
        self.refresh()

    def refresh(self) -> None:
        """Let the policies hear what is stored."""
        given = stored_feedback(self._control, self._clock.now_unix_nano())
        self._pipeline.feedback = book_of(given, self._pipeline.registry)

    def give(
        self, incident_id: str, finding: Finding, opinion: Opinion, actor: str, note: str = ""
    ) -> Feedback:
        """Keep an opinion; it weighs from now on.

        The same person's earlier opinion of the same finding is taken back: one finding, one voice.

        Raises:
            OverloadedError: `MAX_COUNTING` opinions count already.
        """
        now = self._clock.now_unix_nano()
        counting = [one for one in stored_feedback(self._control, now) if not one.undone_unix_nano]
        before = [one for one in counting if (one.finding_id, one.actor) == (finding.finding_id, actor)]
        if len(counting) - len(before) >= MAX_COUNTING:
            raise OverloadedError(
                f"{MAX_COUNTING} opinions count at present; undo some on the page Feedback first"
            )
        for one in before:
            self._control.undo_feedback(one.feedback_id, now, actor)
        number = hashlib.sha256(f"{finding.finding_id}\0{actor}\0{now}".encode()).hexdigest()[:24]
        given = Feedback(
            feedback_id=number,
            finding_id=finding.finding_id,
            incident_id=incident_id,
            detector=finding.detector,
            head=finding.head,
            subject=finding.evidence.query,
            title=finding.title,
            opinion=opinion,
            actor=actor,
            note=note,
            time_unix_nano=now,
        )
        self._control.add_feedback(given)
        self.refresh()
        return given

    def undo(self, feedback_id: str, actor: str) -> Feedback:
        """Take an opinion back: from now on it is as if it had never been given.

        Raises:
            NotFoundError, StateError: there is none, or it was undone before.
        """
        undone = self._control.undo_feedback(feedback_id, self._clock.now_unix_nano(), actor)
        self.refresh()
        return undone

    def page(self, limit: int = 500) -> FeedbackPage:
        """What is adjusted now, the most first, and what was said."""
        now = self._clock.now_unix_nano()
        book = self._pipeline.feedback
        adjusted = [
            Adjustment(*key, book.series_of(key), rules.factor(given, now), tuple(_counting(given, now)))
            for key, given in book.about().items()
            if _counting(given, now)
        ]
        adjusted.sort(key=lambda one: (-abs(one.factor - 1.0), one.subject, one.head))
        return FeedbackPage(
            adjustments=adjusted,
            given=self._control.list_feedback(0, limit),
            half_life_days=rules.HALF_LIFE_DAYS,
            least_factor=rules.LEAST,
            most_factor=rules.MOST,
        )


def _counting(given: Sequence[Feedback], now: int) -> list[Feedback]:
    return [one for one in given if not one.undone_unix_nano and 0 <= now - one.time_unix_nano <= _FADED]
