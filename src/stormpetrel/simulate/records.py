"""Log records of the estate: steady chatter, what faults add, and deploys."""

from __future__ import annotations

import numpy as np

from stormpetrel.model.signal import SEVERITY_ERROR, SEVERITY_INFO, SEVERITY_WARN
from stormpetrel.model.time import NANOS_PER_SECOND, from_seconds
from stormpetrel.simulate.conditions import BATCH_HOST, HOSTS, WEB_HOSTS, Ticks
from stormpetrel.simulate.faults import Fault, Line
from stormpetrel.simulate.faults.deploy_bug import DeployBug
from stormpetrel.simulate.noise import Floats, Ints, Noise
from stormpetrel.simulate.operation import Operation
from stormpetrel.simulate.signals import LogColumns

DEPLOY_SECONDS_OF_DAY = (10.5 * 3600.0,)  # one harmless deploy a day, at 10:30 UTC
_DAY = 86_400.0

_CHECKOUT = (
    Line("checkout", "", SEVERITY_INFO, "order {order} accepted in {millis} ms", 0.004),
    Line("checkout", "", SEVERITY_WARN, "payment provider took {millis} ms, order {order}", 0.0008),
    Line("checkout", "", SEVERITY_ERROR, "payment declined by provider, order {order}", 0.0004),
)
_STEADY = (
    Line(
        "orders-db", "db-1", SEVERITY_INFO, "checkpoint complete: wrote {count} buffers in {millis} ms", 0.02
    ),
    Line("mail-queue", "queue-1", SEVERITY_INFO, "delivered a batch of {count} mails", 0.05),
    *(
        Line("", host, SEVERITY_INFO, "systemd: session {count} of user cron started", 0.003)
        for host in HOSTS
    ),
)
_BATCH = Line("nightly-report", BATCH_HOST, SEVERITY_INFO, "report part {count} written in {millis} ms", 0.2)

_Record = tuple[int, str, str, int, str, tuple[tuple[str, str], ...]]


def log_records(operation: Operation, faults: tuple[Fault, ...], noise: Noise) -> LogColumns:
    """All log records of one step, ordered by time."""
    ticks = operation.conditions.ticks
    found: list[_Record] = []
    for place, host in enumerate(WEB_HOSTS):
        rate = operation.requests[:, place] / ticks.step_seconds
        for line in _CHECKOUT:
            here = Line(line.service, host, line.severity_number, line.body, line.per_second)
            found += _write(here, rate, ticks, noise)
    ones = np.ones(len(ticks))
    for line in _STEADY:
        found += _write(line, ones, ticks, noise)
    found += _write(_BATCH, operation.conditions.batch, ticks, noise)
    for fault in faults:
        for line in fault.lines():
            found += _write(line, fault.level(ticks), ticks, noise)
    found += _deploys(ticks, faults)
    return _columns(sorted(found, key=lambda record: (record[0], record[2], record[4])))


def _write(line: Line, weight: Floats, ticks: Ticks, noise: Noise) -> list[_Record]:
    """The records of one kind; the loop is over records (a few a tick), not over samples."""
    stream = f"log/{line.service}/{line.host}/{line.body}"
    count = noise.count(stream, ticks.index, weight * line.per_second * ticks.step_seconds)
    if not count.any():
        return []
    tick = np.repeat(ticks.index, count)
    # A number of its own for each record of a tick: tick * 2^16 + its place among the tick's records.
    place = np.arange(len(tick)) - np.repeat(np.cumsum(count) - count, count)
    key = tick * 65_536 + place
    inside = noise.uniform(stream + "/at", key) * ticks.step_seconds * NANOS_PER_SECOND
    time_unix_nano = np.repeat(ticks.time_unix_nano, count) + inside.astype(np.int64)
    bodies = _fill(line.body, stream, key, noise)
    return [
        (int(at), line.service, line.host, line.severity_number, body, ())
        for at, body in zip(time_unix_nano, bodies, strict=True)
    ]


def _fill(body: str, stream: str, key: Ints, noise: Noise) -> list[str]:
    order = (noise.uniform(stream + "/order", key) * 9e6).astype(np.int64) + 1_000_000
    millis = np.exp(noise.normal(stream + "/millis", key) * 0.4 + 4.5).astype(np.int64)
    count = (noise.uniform(stream + "/count", key) * 90).astype(np.int64) + 1
    return [
        body.format(order=o, millis=m, count=c)
        for o, m, c in zip(order.tolist(), millis.tolist(), count.tolist(), strict=True)
    ]


def _deploys(ticks: Ticks, faults: tuple[Fault, ...]) -> list[_Record]:
    """Deploy records that fall into the step: the daily ones, and those that a bad deploy begins with."""
    if not len(ticks):
        return []
    start = int(ticks.time_unix_nano[0])
    end = int(ticks.time_unix_nano[-1]) + from_seconds(ticks.step_seconds)
    first_day = int(start / NANOS_PER_SECOND // _DAY)
    last_day = int(end / NANOS_PER_SECOND // _DAY)
    moments = [
        from_seconds(day * _DAY + second)
        for day in range(first_day, last_day + 1)
        for second in DEPLOY_SECONDS_OF_DAY
    ]
    moments += [fault.start_unix_nano for fault in faults if isinstance(fault, DeployBug)]
    return [_deploy(at) for at in moments if start <= at < end]


def _deploy(at: int) -> _Record:
    day = int(at / NANOS_PER_SECOND // _DAY)
    version = f"1.{day % 1000}.{(at // NANOS_PER_SECOND) % 86_400 // 60}"
    attributes = (("change.kind", "deploy"), ("service.version", version), ("deployment.status", "succeeded"))
    body = f"deploy of checkout {version} succeeded"
    return (at, "checkout", WEB_HOSTS[0], SEVERITY_INFO, body, attributes)


def _columns(records: list[_Record]) -> LogColumns:
    return LogColumns(
        time_unix_nano=np.array([record[0] for record in records], np.int64),
        service=[record[1] for record in records],
        host=[record[2] for record in records],
        severity_number=np.array([record[3] for record in records], np.int64),
        body=[record[4] for record in records],
        attributes=[record[5] for record in records],
    )
