"""How `rare_value` speaks: the finding of a new value, with everything a person needs to check it."""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

from stormpetrel.detect import wording
from stormpetrel.detect.logs.value_model import ValueModel
from stormpetrel.model.finding import MODEL_SAMPLES, Evidence, Finding, FindingState, Severity
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import SEVERITY_ERROR
from stormpetrel.model.text import written_out
from stormpetrel.model.time import to_iso, to_seconds

NAME, VERSION = "rare_value", 1
_SHOWN_VALUE, _SHOWN_TEXT, _SHOWN_KNOWN = 60, 120, 6


@dataclass(frozen=True, slots=True)
class Look:
    """A record that is looked at.

    Attributes:
        stored: the id of its pattern as it was stored.
        line: as it came, cut.
        time_unix_nano: as far as it is believed.
        begun_unix_nano: when what is first seen in it begins: an old record makes nothing old.
        level: its severity number.
        entity: whose record it is.
    """

    stored: int
    line: str
    time_unix_nano: int
    begun_unix_nano: int
    level: int
    entity: str


def finding_of(
    pattern: Pattern, model: ValueModel, named: tuple[str, str], seen: Look, p_value: float
) -> Finding:
    """The finding of a value that `model` did not know.

    Args:
        pattern: as it is called now.
        model: what is known of the variable; the new value is not in it yet.
        named: the variable and its new value.
        seen: the record.
        p_value: see `ValueModel`.
    """
    variable, said = _shown(named[0], _SHOWN_VALUE), _shown(named[1], _SHOWN_VALUE)
    query = f'log_values{{pattern="{pattern.id:016x}",variable="{_quoted(named[0])}"}}'
    identity = "\0".join((NAME, query, named[1], str(seen.time_unix_nano)))
    time = seen.time_unix_nano
    return Finding(
        finding_id=xxhash.xxh128_hexdigest(identity.encode("utf-8", "surrogatepass")),
        detector=NAME,
        model_version=VERSION,
        head="value",
        entity=seen.entity or pattern.source,
        title=f"new value of {variable} in the log: {said}",
        why=_why(pattern, model, (variable, said), seen, p_value),
        # Programs call a refused login fatal: how bad a new value is nobody knows yet.
        severity=Severity.WARNING if seen.level >= SEVERITY_ERROR else Severity.INFO,
        state=FindingState.OPEN,
        start_unix_nano=time,
        end_unix_nano=time,
        evidence=Evidence("log", query, -1, time, time, 1.0, 0.0, 0.0, 0.0, p_value, "records"),
        attributes={
            "pattern": f"{pattern.id:016x}",
            "variable": variable,
            "value": said,
            "known_values": str(len(model.values)),
            "known_since": to_iso(model.begun_unix_nano),
            MODEL_SAMPLES: str(model.windows),
        },
    )


def _why(pattern: Pattern, model: ValueModel, said: tuple[str, str], seen: Look, p_value: float) -> str:
    count = "a single value" if len(model.values) == 1 else f"only {len(model.values)} values"
    # A window that says nothing is no chance of a new value: how often is by the pace at which it speaks.
    pace = to_seconds(seen.time_unix_nano - model.begun_unix_nano) / model.windows
    return (
        f"{seen.entity or pattern.source} logged {said[1]} as {said[0]} of the pattern"
        f' "{_shown(pattern.text, _SHOWN_TEXT)}". Since {to_iso(model.begun_unix_nano)} it had taken'
        f" {count} ({_listed(model)}) in {model.looks - 1} records looked at; a new one is"
        f" {wording.rarity(p_value, pace)}."
    )


def _listed(model: ValueModel) -> str:
    """The known values, most frequent first."""
    ranked = sorted(model.values, key=lambda value: (-model.values[value].windows, value))
    more = ", …" if len(ranked) > _SHOWN_KNOWN else ""
    return ", ".join(_shown(value, _SHOWN_VALUE) for value in ranked[:_SHOWN_KNOWN]) + more


def _shown(text: str, most: int) -> str:
    """Text of strangers, on one line, with what is unseen written out, at most so long."""
    shown = written_out(" ".join(text[: 4 * most].split()))
    return (shown if len(shown) <= most else shown[: most - 1] + "…") or '""'


def _quoted(text: str) -> str:
    """The name of a variable inside the quotes of a query."""
    return written_out(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
