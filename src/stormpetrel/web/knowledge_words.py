"""What people say of causes, as the pages and the report say it."""

from __future__ import annotations

import hashlib

from stormpetrel.model.cause_verdict import CauseOutcome, CauseVerdict, HelpedNote
from stormpetrel.model.scoreboard import CertaintyRow, Measure
from stormpetrel.web.show import clock

# measure, its name, what it says
MEASURES: tuple[tuple[Measure, str, str], ...] = (
    (Measure.FIRST, "First hypothesis", "it was the first one, where a cause was told"),
    (Measure.THREE, "Among the first three", "it was one of the first three, where a cause was told"),
    (Measure.NO_CAUSE, "No cause found", "there was none to find, where none was told"),
)


def key_of(entity: str) -> str:
    """What stands for an entity in a form: its own text would not come back from a page as it was."""
    return hashlib.sha256(entity.encode(errors="surrogatepass")).hexdigest()[:24]


def verdict_sentence(verdict: CauseVerdict) -> str:
    """What a verdict says, without markup; entities and words of people are in it as they are."""
    if verdict.outcome is CauseOutcome.IT:
        place = verdict.told.place(verdict.entity)
        return f"It was {verdict.entity}" + (f", hypothesis {place} of those told" if place else "")
    if verdict.outcome is CauseOutcome.SOMETHING_ELSE:
        named = f" on {verdict.entity}" if verdict.entity else ""
        return f"It was something else{named}"
    if verdict.outcome is CauseOutcome.NO_CAUSE:
        return "There was no cause to find"
    if verdict.outcome is CauseOutcome.TAKEN_BACK:
        return "All of it was taken back"
    if not verdict.ruled_out:
        return "Nothing is said of it"
    return f"It was not {', '.join(verdict.ruled_out[:5])}; what it was is open"


def verdict_sentences(verdict: CauseVerdict) -> tuple[str, ...]:
    """A verdict for a report, without markup: what it was, who said so, and what had been told by then."""
    words = f": {verdict.text}" if verdict.text else ""
    told = verdict.told
    if told.found:
        first = told.causes[0]
        then = f"{first.entity} ({first.cause_class}), certainty {told.certainty * 100:.0f} %"
    else:
        then = "no cause found"
    return (
        f"{verdict_sentence(verdict)}{words}.",
        f"Said by {verdict.actor}, {clock(verdict.time_unix_nano)}.",
        f"Told at that time: {then}.",
    )


def helped_sentence(note: HelpedNote) -> str:
    """What helped and who says so, for a report, without markup."""
    return f"{note.text} ({note.actor}, {clock(note.time_unix_nano)})"


def agreement(row: CertaintyRow) -> str:
    """Whether causes were told as surely as they were right, or that nobody can say yet."""
    if not row.share.enough:
        return "too few verdicts to say"
    if row.mean > row.share.high:
        return "surer than it was right"
    if row.mean < row.share.low:
        return "less sure than it was right"
    return "as sure as it was right"
