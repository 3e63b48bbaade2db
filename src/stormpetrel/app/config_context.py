"""The calendar's part of the configuration: jobs, windows, files and addresses of entries, holidays."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from stormpetrel.app.config_section import Section
from stormpetrel.context.recur import check_cron, check_zone
from stormpetrel.context.scope import read_scope

_NAME = r"^[a-zA-Z0-9_.-]{1,64}$"


def _scopes(texts: list[str]) -> list[str]:
    for text in texts:
        read_scope(text)  # its error says what is wrong
    return texts


class Zoned(Section):
    """Something with a time zone of its own."""

    time_zone: str = Field(
        "", description="zone of its times, as in Europe/Berlin; empty: `context.time_zone`"
    )

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        if zone:
            check_zone(zone)
        return zone


class Scoped(Zoned):
    """Something that is about a part of the estate."""

    scopes: list[str] = Field(
        default=["*"], min_length=1, max_length=50,
        description='what it is about: *, an entity as host:web-1, or a selector as {job="batch"}',
    )  # fmt: skip

    @field_validator("scopes")
    @classmethod
    def _are_scopes(cls, scopes: list[str]) -> list[str]:
        return _scopes(scopes)


class Scheduled(Scoped):
    """Something that recurs as a cron expression says."""

    name: str = Field(pattern=_NAME, description="its name; jobs send heartbeats under it")
    title: str = Field("", max_length=200, description="what people call it; empty: its name")
    cron: str = Field(description="five fields: minute, hour, day, month, day of the week")
    duration_seconds: float = Field(3600.0, gt=0, le=31 * 86_400, description="how long it usually lasts")

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, expression: str) -> str:
        check_cron(expression)
        return expression


class JobConfig(Scheduled):
    """One expected job: findings in its time and scope are expected; a job that fails to run is a finding."""

    series: list[str] = Field(
        default_factory=list,
        max_length=50,
        description="selectors of series that leave their level while it runs",
    )
    heartbeat: bool = Field(
        False, description="it tells when it starts and finishes, at /api/v1/jobs/NAME/start"
    )
    late_seconds: float = Field(300.0, gt=0, description="it is late when it has not begun after this")
    overlong_seconds: float = Field(600.0, gt=0, description="it is overlong this much after its duration")

    @field_validator("series")
    @classmethod
    def _are_selectors(cls, series: list[str]) -> list[str]:
        return _scopes(series)


class WindowConfig(Scheduled):
    """One maintenance window or freeze that recurs."""

    kind: Literal["maintenance", "freeze"] = Field("maintenance", description="maintenance or freeze")
    train: bool = Field(False, description="learn from samples of maintenance too")


class IcalConfig(Scoped):
    """Entries from an iCalendar file or address."""

    name: str = Field(pattern=_NAME, description="name of the source")
    path: str = Field("", description="a file; this or url")
    url: str = Field("", pattern=r"^(https?://.*)?$", description="an address; this or path")
    kind: Literal["expected_job", "maintenance", "deploy", "freeze", "holiday"] = Field(
        "maintenance", description="what its entries mean, where a category of theirs does not say so"
    )
    refresh_seconds: float = Field(900.0, ge=30, description="time between looks")
    timeout_seconds: float = Field(10.0, gt=0, le=120, description="longest wait for an answer")
    bearer_token_file: str = Field("", description="file with a bearer token, read at every look")

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if bool(self.path) == bool(self.url):
            raise ValueError("give either path or url")
        return self


class KubernetesConfig(Zoned):
    """CronJobs of Kubernetes, from manifests or from the API."""

    manifests: list[str] = Field(default_factory=list, description="glob patterns of YAML or JSON manifests")
    api_url: str = Field(
        "", pattern=r"^(https?://.*)?$", description="address of the API server; empty: not asked"
    )
    token_file: str = Field(
        "/var/run/secrets/kubernetes.io/serviceaccount/token", description="file with its bearer token"
    )
    ca_file: str = Field(
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        description="certificate of its authority, PEM",
    )
    duration_seconds: float = Field(1800.0, gt=0, description="assumed where a manifest names no deadline")
    refresh_seconds: float = Field(300.0, ge=30, description="time between looks")


class HolidaysConfig(Section):
    """Public holidays of a country, shown in the calendar."""

    country: str = Field("", pattern=r"^([A-Z]{2})?$", description="ISO 3166 code, as in DE; empty: none")
    subdivision: str = Field("", max_length=10, description="part of the country, as in BE")


class ContextConfig(Zoned):
    """The calendar: expected jobs, maintenance, freezes, holidays, and what is learned by itself."""

    time_zone: str = Field("UTC", min_length=1, description="zone of days and weeks, as in Europe/Berlin")
    learn: bool = Field(True, description="find recurring slots in series and propose them")
    deploy_seconds: float = Field(900.0, ge=0, description="how long findings name a deploy before them")
    grace_seconds: float = Field(
        300.0, ge=0, description="how long after a job its after-effects are expected"
    )
    jobs: list[JobConfig] = Field(default_factory=list, max_length=1000)
    windows: list[WindowConfig] = Field(default_factory=list, max_length=1000)
    ical: list[IcalConfig] = Field(default_factory=list, max_length=50)
    kubernetes: KubernetesConfig = KubernetesConfig()
    holidays: HolidaysConfig = HolidaysConfig()

    @model_validator(mode="after")
    def _are_apart(self) -> Self:
        for kind, entries in (("jobs", self.jobs), ("windows", self.windows), ("ical", self.ical)):
            names = [entry.name for entry in entries]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind}: the name {twice[0]} is there twice")
        return self
