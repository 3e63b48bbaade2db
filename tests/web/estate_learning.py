"""The estate's explanations, feedback and backtests; partly hostile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.web import content

from stormpetrel.errors import ConfigError, NotFoundError, StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.backtest import Backtest, ToldIncident, Tunable, WeekCount
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.explanation import Explanation, Judged, ModelAge, PastSlot, Strangeness
from stormpetrel.model.feedback import Adjustment, Feedback, FeedbackPage, Opinion
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.job import JobState
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.model.view import ModelStateView

DAY = from_seconds(86_400)
NAN = float("nan")
TUNABLES = [
    Tunable("detect.p_open", "detect", "a sample above this p-value is never strange", 1e-3, False),
    Tunable("detect.hold_samples", "detect", "strange samples in a row needed to open", 3.0, True),
]


def explanation(series: int, state: Strangeness = Strangeness.STRANGE) -> Explanation:
    judged = Judged(content.NOW - DAY // 24, 0.993, 0.42, 0.31, 0.61, 1e-9, "residual", 15.0)
    if state is Strangeness.MISSING:
        judged = replace(judged, observed=NAN, expected=NAN, low=NAN, high=NAN, p_value=NAN)
    slots = tuple(
        PastSlot(
            label=f"{days} days before",
            start_unix_nano=content.NOW - days * DAY,
            end_unix_nano=content.NOW - days * DAY + DAY // 24,
            mean=NAN if days == 3 else 0.4 + 0.05 * days,
            least=NAN if days == 3 else 0.35,
            greatest=NAN if days == 3 else 0.5 + 0.05 * days,
            samples=0 if days == 3 else 240,
            inside=days in (1, 2),
        )
        for days in (1, 2, 3, 4, 7, 14)
    )
    return Explanation(
        subject=content.HOSTILE if series == 4 else 'system_cpu_busy_ratio{host="web-1"}',
        series=series,
        unit="ratio",
        state=state,
        answer="99.3 % at 02:51 is strange: 42 % was expected, and such a sample is seen once in a century.",
        judged=judged,
        seen_by="how far the value is from what this time of day and the recent level make likely",
        rarity="seen less than once in a century at this interval",
        normal_again=("below 61 %", "90 minutes of it: a change that lasts becomes the new normal"),
        past=slots if state is Strangeness.STRANGE else (),
        past_says="At this time on 5 earlier days it was 45 % to 110 %, on 2 of them within the band.",
        model=ModelAge("robust", 2, 80_640, content.NOW - 14 * DAY, 360, 1e-3, 3),
        learnt="robust version 2, from 80,640 stored samples over 14 days.",
        quality_ratio=0.98,
        quality=("duplicate",),
    )


def given_opinion(number: int, said: Opinion, undone: int = 0) -> Feedback:
    return Feedback(
        feedback_id=f"o{number}",
        finding_id="f1",
        incident_id="20260314-0251-checkout",
        detector="robust",
        head="residual",
        subject=content.HOSTILE if number == 1 else 'up{job="node"}',
        title="system cpu busy ratio far above its usual range",
        opinion=said,
        actor="ann",
        note=content.HOSTILE,
        time_unix_nano=content.NOW - number * DAY,
        undone_unix_nano=undone,
        undone_by="bob" if undone else "",
    )


def told(number: int, other: str = "") -> ToldIncident:
    start = content.NOW - number * DAY
    return ToldIncident(
        f"i{number}",
        content.HOSTILE,
        2,
        ("host:a",),
        start,
        start + DAY // 24,
        number,
        other,
        paged=number < 3,
        kept=number == 1,
    )


def backtest(state: JobState) -> Backtest:
    one = Backtest(
        backtest_id=f"b-{state.value}",
        state=state,
        actor="ann",
        created_unix_nano=content.NOW,
        start_unix_nano=content.NOW - 7 * DAY,
        end_unix_nano=content.NOW,
        settings={"detect.p_open": 1e-4},
        today_settings={"detect.p_open": 1e-3},
        progress_ratio=0.4,
        error=content.HOSTILE if state is JobState.FAILED else "",
    )
    if state is not JobState.DONE:
        return one
    weeks = (WeekCount(content.NOW - 7 * DAY, 2, 1, 2, 1), WeekCount(content.NOW, 1, 2))
    return replace(
        one, today=(told(1, "i1"), told(2)), changed=(told(1, "i1"), told(3)), left_out=3, weeks=weeks
    )


class LearningEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False

    def __init__(self) -> None:
        self.given: list[tuple[str, Opinion, str]] = []
        self.undone: list[str] = []
        self.started: list[tuple[Window, dict[str, float]]] = []
        self.cancelled: list[str] = []

    def explain_finding(self, finding: Finding) -> Explanation:
        return explanation(finding.evidence.series)

    def diagnose(self, incident: Incident) -> Diagnosis:
        return content.diagnosis()

    def explain_point(self, series: int, time_unix_nano: int) -> Explanation:
        if series > 100:
            raise NotFoundError(f"there is no series {series}; search for it by name")
        state = Strangeness.MISSING if time_unix_nano < content.NOW - 30 * DAY else Strangeness.STRANGE
        return explanation(series, state)

    def give_feedback(
        self, incident_id: str, finding_id: str, opinion: Opinion, by: Caller, note: str = ""
    ) -> Feedback:
        self.given.append((finding_id, opinion, by.name))
        return replace(given_opinion(1, opinion), finding_id=finding_id, note=note, actor=by.name)

    def undo_feedback(self, feedback_id: str, by: Caller) -> Feedback:
        if feedback_id != "o1":
            raise StateError(f"the feedback {feedback_id} was undone before, by bob")
        self.undone.append(feedback_id)
        return given_opinion(1, Opinion.USEFUL, content.NOW)

    def feedback(self) -> FeedbackPage:
        given = (
            []
            if self.empty
            else [given_opinion(1, Opinion.NOT_USEFUL), given_opinion(2, Opinion.USEFUL, content.NOW)]
        )
        adjusted = [
            Adjustment("robust", "residual", content.HOSTILE, 4, 3.9, (given[0],)),
            Adjustment("robust", "jump", "gone", -1, 0.5, (given[0],)),
        ] if given else []  # fmt: skip
        return FeedbackPage(adjusted, given, 14.0, 0.25, 64.0)

    def tunables(self) -> list[Tunable]:
        return TUNABLES

    def backtests(self) -> list[Backtest]:
        return [] if self.empty else [backtest(state) for state in JobState]

    def backtest(self, backtest_id: str) -> Backtest:
        for state in JobState:
            if backtest_id == f"b-{state.value}":
                return backtest(state)
        raise NotFoundError(f"there is no backtest {backtest_id}")

    def start_backtest(self, window: Window, settings: Mapping[str, float], by: Caller) -> Backtest:
        if settings.get("detect.p_open", 0.1) >= 1:
            raise ConfigError("detect.p_open: Input should be less than 1")
        self.started.append((window, dict(settings)))
        return backtest(JobState.QUEUED)

    def cancel_backtest(self, backtest_id: str, by: Caller) -> Backtest:
        self.cancelled.append(backtest_id)
        return backtest(JobState.CANCELLED)

    def model_state(self) -> ModelStateView:
        if self.empty:
            return ModelStateView()
        refused = (f"models-1.npz: {content.HOSTILE}",)
        return ModelStateView(
            content.NOW - DAY // 100, 194_000_000, 0.6, content.NOW - DAY, refused, "disk full"
        )
