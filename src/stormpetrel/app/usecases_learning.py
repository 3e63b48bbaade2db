"""The use-cases of learning: explanations, feedback, backtests, and how model state is kept."""

from __future__ import annotations

from collections.abc import Mapping

from stormpetrel.app import access as rules
from stormpetrel.app.usecases_sources import SourceUseCases
from stormpetrel.errors import NotFoundError
from stormpetrel.model.access import Caller
from stormpetrel.model.backtest import Backtest, Tunable
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.explanation import Explanation
from stormpetrel.model.feedback import Feedback, FeedbackPage, Opinion
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.time import Window
from stormpetrel.model.view import ModelStateView

_LONGEST_NOTE = 2000


class LearningUseCases(SourceUseCases):
    """One part of `app.service.Service`; methods are documented there."""

    def explain_finding(self, finding: Finding) -> Explanation:
        """Why a finding was told."""
        return self._is.desks.explain.finding(finding)

    def diagnose(self, incident: Incident) -> Diagnosis:
        """What caused an incident, as far as can be told now."""
        return self._is.desks.diagnose.of(incident)

    def explain_point(self, series: int, time_unix_nano: int) -> Explanation:
        """Why a sample is strange, or is not."""
        self._known(series)
        return self._is.desks.explain.point(series, time_unix_nano)

    def give_feedback(
        self, incident_id: str, finding_id: str, opinion: Opinion, by: Caller, note: str = ""
    ) -> Feedback:
        """A responder says what a finding was worth."""
        rules.require_responder(by)
        incident = self._is.control.incident(incident_id)
        found = incident.findings if incident is not None else ()
        finding = next((one for one in found if one.finding_id == finding_id), None)
        if finding is None:
            raise NotFoundError(f"there is no finding {finding_id[:60]} in an incident {incident_id[:60]}")
        return self._is.desks.feedback.give(incident_id, finding, opinion, by.name, note[:_LONGEST_NOTE])

    def undo_feedback(self, feedback_id: str, by: Caller) -> Feedback:
        """A responder takes an opinion back."""
        rules.require_responder(by)
        return self._is.desks.feedback.undo(feedback_id, by.name)

    def feedback(self) -> FeedbackPage:
        """What is adjusted, and what was said."""
        return self._is.desks.feedback.page()

    def tunables(self) -> list[Tunable]:
        """What a backtest may change."""
        return self._is.desks.backtests.tunables()

    def backtests(self) -> list[Backtest]:
        """All that are kept."""
        return self._is.desks.backtests.jobs()

    def backtest(self, backtest_id: str) -> Backtest:
        """One of them."""
        return self._is.desks.backtests.job(backtest_id)

    def start_backtest(self, window: Window, settings: Mapping[str, float], by: Caller) -> Backtest:
        """A responder asks for a backtest."""
        rules.require_responder(by)
        return self._is.desks.backtests.submit(window, settings, by.name)

    def cancel_backtest(self, backtest_id: str, by: Caller) -> Backtest:
        """A responder stops a backtest."""
        rules.require_responder(by)
        return self._is.desks.backtests.cancel(backtest_id)

    def model_state(self) -> ModelStateView:
        """How what the models know is kept."""
        return self._is.desks.models.view()
