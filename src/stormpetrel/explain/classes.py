"""What kind of cause it is, told from the evidence: the class that the heaviest items agree on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from stormpetrel.explain.situation import KnownChange
from stormpetrel.model.cause import CauseClass, EvidenceItem

_OF_METRIC = {
    "metric:cpu": CauseClass.SATURATION,
    "metric:memory": CauseClass.SATURATION,
    "metric:io": CauseClass.SATURATION,
    "metric:load": CauseClass.SURGE,
    "metric:latency": CauseClass.DEPENDENCY,
    "metric:error": CauseClass.CODE,
}
# Latency and errors are how trouble shows, whatever it is; load weighs little in a ranking, but says much.
_SAYS = {"metric:latency": 0.25, "metric:error": 0.25, "metric:load": 3.0}
_TOLD = 4.0  # a line that says what it is weighs more than what it shows in
_OF_KIND = {
    "self time": CauseClass.DEPENDENCY,
    "between": CauseClass.HARDWARE,
    "missing call": CauseClass.CODE,
    "extra call": CauseClass.CODE,
    "log": CauseClass.CODE,
    "missing log": CauseClass.CODE,
}
_OF_CHANGE = {
    "deploy": CauseClass.DEPLOY,
    "commit": CauseClass.DEPLOY,
    "job": CauseClass.JOB,
    "scaling": CauseClass.CONFIGURATION,
}
# Words of new and surging lines that say what it is, whoever writes them.
_WORDS: tuple[tuple[CauseClass, re.Pattern[str]], ...] = (
    (
        CauseClass.CONFIGURATION,
        re.compile(r"certificate|x509|expired|not yet valid|no such host|name resolution", re.I),
    ),
    (
        CauseClass.SATURATION,
        re.compile(r"no space left|out of memory|oom|too many open|quota exceeded", re.I),
    ),
    (
        CauseClass.HARDWARE,
        re.compile(
            r"i/o error|medium error|bad sector|smart|\becc\b|remounting|packets dropped|link (is )?down"
            r"|transmit queue",
            re.I,
        ),
    ),
    (
        CauseClass.ATTACK,
        re.compile(r"invalid user|failed password|brute|syn flood|blocked by|forbidden|scan", re.I),
    ),
    (CauseClass.DATA, re.compile(r"poison|malformed|corrupt|schema mismatch|cannot parse|deserializ", re.I)),
    (CauseClass.JOB, re.compile(r"\bcron\b|\bscheduled (job|task)\b", re.I)),
    (CauseClass.DEPENDENCY, re.compile(r"upstream|unreachable|no route to host|connection refused", re.I)),
)


# A line that tells of waiting shows the trouble, as latency does, and is no cause.
_WAITS = re.compile(
    r"\bslow|timed? ?out|\bbehind\b|\blag|\bpaused?\b|\bwait(ed|ing|s)\b|\bstalled|took too long", re.I
)
_WAITING = 0.25
# Metrics of how long a disk is busy, and not of how much is on it or goes through it.
_DISK_TIME = re.compile(
    r"(disk|io|device)_\w*(time|milli|seconds|busy|util|await)|iowait|io_wait|\bawait\b", re.I
)
_WORK = ("metric:cpu", "metric:load", "metric:memory")


def class_of(
    evidence: Sequence[EvidenceItem], change: KnownChange | None, below: Sequence[EvidenceItem] = ()
) -> CauseClass:
    """The class of one hypothesis; a change that is held to be the cause decides it.

    Args:
        evidence: of one entity.
        change: the change held to be its cause, None where there is none.
        below: of the hosts of an entity that calls nobody: what it waits for is there.
    """
    if change is not None:
        return _OF_CHANGE.get(change.kind, CauseClass.CONFIGURATION)
    belief: dict[CauseClass, float] = defaultdict(float)
    for item in evidence:
        if item.weight <= 0.0:
            continue
        said = next((kind for kind, words in _WORDS if item.kind == "log" and words.search(item.name)), None)
        if said is not None:
            belief[said] += _TOLD * item.weight
        elif item.kind == "log" and _WAITS.search(item.name):
            belief[CauseClass.DEPENDENCY] += _WAITING * item.weight
        elif item.kind in _OF_METRIC:
            belief[_OF_METRIC[item.kind]] += item.weight * _SAYS.get(item.kind, 1.0)
        elif item.kind in _OF_KIND:
            belief[_OF_KIND[item.kind]] += 0.5 * item.weight
    host = _host_class(below)
    if host is not None:
        belief[host[0]] += host[1] + belief.pop(CauseClass.DEPENDENCY, 0.0)
    if not belief:
        return CauseClass.UNKNOWN
    return max(sorted(belief), key=lambda kind: belief[kind])


def _host_class(below: Sequence[EvidenceItem]) -> tuple[CauseClass, float] | None:
    """What is wrong with a host and how much speaks for it; None where nothing does.

    A disk that is busy for longer while its host works no more than before is itself slow: hardware.
    """
    told = [
        item for item in below if item.weight > 0.0 and _OF_METRIC.get(item.kind) is CauseClass.SATURATION
    ]
    if not told:
        return None
    disk = max((one.weight for one in told if _DISK_TIME.search(one.name)), default=0.0)
    work = max((one.weight for one in below if one.kind in _WORK), default=0.0)
    total = sum(one.weight for one in told)
    return (CauseClass.HARDWARE if disk > 2.0 * work and disk > 0.0 else CauseClass.SATURATION), total
