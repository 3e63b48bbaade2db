"""From an incident and what is known of it to the document of its report: one function a section.

Every list is bounded, and one that is cut says how much is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from stormpetrel.model.cause import Cause, Diagnosis, EvidenceItem
from stormpetrel.model.cause_verdict import IncidentKnowledge
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.incident import Incident, TimelineEntry
from stormpetrel.model.page import PageDecision
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import to_iso, to_seconds
from stormpetrel.model.view import SeriesView
from stormpetrel.web.knowledge_words import helped_sentence, verdict_sentences
from stormpetrel.web.report.chart import figure_of
from stormpetrel.web.report.document import (
    LONGEST_UNIT,
    Blank,
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Facts,
    Link,
    Paragraph,
    Section,
    Table,
    cut,
)
from stormpetrel.web.show import TIMES, duration, number, p_text, quantity, severity_word

MOST_FINDINGS, MOST_EVIDENCE, MOST_CAUSES, MOST_CHANGES, MOST_CHARTS = 100, 12, 3, 5, 6
MOST_ENTITIES, MOST_CHECKED, MOST_KINDS = 50, 30, 30
ENTRIES_AT_EACH_END = 100  # of the timeline: how it began and how it ended both matter
HELPED = "What helped"
BLANKS = (
    "What happened, in a few sentences",
    "How it was noticed",
    HELPED,
    "What made it worse, or took long",
    "What to change, who does it, until when",
)
_PEOPLE_DO = ("state", "page", "note")
_OURSELVES = "petrel"
_ROWS = "rows (sign-in needed)"


@dataclass(frozen=True, slots=True)
class Story:
    """What a report is made of.

    Attributes:
        views: the series of findings that are drawn, by finding id.
        exported_unix_nano: when the report is made.
        base: address of this installation, without a slash at its end.
        known: what people said of the cause, and what helped; None when nobody was asked.
        rows_of, address_of: the path where a finding, or a piece of evidence, can be checked; "" for none.
    """

    incident: Incident
    told: Diagnosis
    views: Mapping[str, SeriesView]
    exported_unix_nano: int
    base: str
    rows_of: Callable[[Finding], str]
    address_of: Callable[[EvidenceItem, Diagnosis], str]
    known: IncidentKnowledge | None = None


def compose(story: Story) -> Document:
    """The whole report. O(findings + timeline + points)."""
    incident = story.incident
    return Document(
        title=cut(incident.sentence),
        incident_id=cut(incident.incident_id, 200),
        exported=moment(story.exported_unix_nano),
        sections=(
            Section("Facts", (_facts(story),)),
            Section("Impact", tuple(_impact(incident))),
            *_root_cause(story),
            Section("Timeline (UTC)", _timeline(incident.timeline)),
            Section("What was done", tuple(_done(incident.timeline))),
            Section("Evidence", tuple(_evidence(story))),
            Section(
                "In the words of those who were there", (Paragraph("What only people know is written here."),)
            ),
            *(Section(title, (_written(title, story.known),), 3) for title in BLANKS),
        ),
    )


def drawn(incident: Incident) -> list[Finding]:
    """The findings whose series are drawn: the rarest ones of single metrics, in the order of their start."""
    metrics = [f for f in incident.findings if f.evidence.signal == "metric" and f.evidence.series >= 0]
    # NaN, which is "not judged", is no number to sort by.
    rarest = sorted(metrics, key=lambda f: f.evidence.p_value if 0 < f.evidence.p_value <= 1 else 2.0)
    return sorted(rarest[:MOST_CHARTS], key=lambda f: (f.start_unix_nano, f.finding_id))


def moment(nanos: int) -> str:
    """A time as every table of the report shows it.

    >>> moment(0)
    '1970-01-01 00:00:00'
    """
    return to_iso(nanos)[:19].replace("T", " ")


def _facts(story: Story) -> Facts:
    incident, told = story.incident, story.told
    rows = [
        ("Incident", incident.incident_id),
        ("State", f"{incident.state}, severity {severity_word(incident.severity)}"),
        ("Began", f"{moment(incident.start_unix_nano)} UTC"),
    ]
    if incident.priority is not None:
        rows.append(("Priority", f"P{incident.priority.level}: {incident.priority.reason}"))
    if told.causes:
        rows.append(("The signals changed", f"{moment(told.since_unix_nano)} UTC"))
    if incident.resolved_unix_nano:
        lasted = duration(to_seconds(incident.resolved_unix_nano - incident.start_unix_nano))
        rows.append(("Resolved", f"{moment(incident.resolved_unix_nano)} UTC, after {lasted}"))
    if incident.page is not None:
        decided = incident.page.decision.value.replace("_", " ")
        when = f" {moment(incident.page.time_unix_nano)} UTC" * (incident.page.decision is PageDecision.PAGED)
        rows.append(("Page", f"{decided}{when}: {incident.page.reason}"))
    if incident.follows:
        rows.append(("Repeats", incident.follows))
    rows.append(("This report was made", f"{moment(story.exported_unix_nano)} UTC"))
    return Facts(tuple((name, cut(value)) for name, value in rows))


def _impact(incident: Incident) -> Iterable[Block]:
    roots = sorted({root_of(entity) for entity in incident.entities})
    findings = len(incident.findings) + sum(count for _, count in incident.more)
    yield Paragraph(f"{_many(len(roots), 'entity', 'entities')}, {_many(findings, 'finding', 'findings')}:")
    yield Bullets((*(cut(root, 300) for root in roots[:MOST_ENTITIES]), *_rest(len(roots), MOST_ENTITIES)))


def _root_cause(story: Story) -> Iterable[Section]:
    told = story.told
    yield Section("Root cause", (Paragraph(_verdict(told), strong=True),))
    if story.known is not None and story.known.verdict is not None:
        said = [Paragraph(cut(one)) for one in verdict_sentences(story.known.verdict)]
        yield Section("What people say of it", tuple(said), 3)
    for cause in told.causes[:MOST_CAUSES]:
        yield Section(f"{cut(cause.entity, 300)}: {number(cause.score)}", tuple(_hypothesis(cause, story)), 3)
    if len(told.causes) > MOST_CAUSES:
        more = _many(len(told.causes) - MOST_CAUSES, "weaker hypothesis is", "weaker hypotheses are")
        yield Section("Others", (Paragraph(f"{more} not listed."),), 3)
    if told.changes:
        yield Section("Changes near it", (Bullets(tuple(_changes(told))),), 3)
    if told.checked:
        checked = [cut(said) for said in told.checked[:MOST_CHECKED]]
        lines = (*checked, *_rest(len(told.checked), MOST_CHECKED))
        yield Section("Checked, and nothing found", (Bullets(lines),), 3)


def _written(title: str, known: IncidentKnowledge | None) -> Block:
    """What was written under a heading, or room for it."""
    if title == HELPED and known is not None and known.helped is not None:
        return Paragraph(cut(helped_sentence(known.helped)))
    return Blank("To be written by those who were there.")


def _verdict(told: Diagnosis) -> str:
    if not told.found or not told.causes:
        listed = " The strongest hypotheses are listed all the same." if told.causes else ""
        return f"No cause found: nothing stands out enough to be told.{listed}"
    first = told.causes[0]
    after = f", after the change {cut(first.change_id, 200)}" if first.change_id else ""
    sure = f"certainty {told.certainty * 100:.0f} %"
    return f"Most likely {cut(first.entity, 300)} ({first.cause_class}){after}; {sure}."


def _hypothesis(cause: Cause, story: Story) -> Iterable[Block]:
    if cause.why_not_first:
        yield Paragraph(f"Not first: {cut(cause.why_not_first)}.")
    columns = (
        Column("evidence", 6),
        Column("kind", 1.4),
        Column("adds", 1, numeric=True),
        Column("check", 1.6),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            cut(piece.text),
            cut(piece.kind, 60),
            _signed(piece.weight),
            _check(story, partial(story.address_of, piece, story.told)),
        )
        for piece in cause.evidence[:MOST_EVIDENCE]
    ]
    left = cause.evidence[MOST_EVIDENCE:]
    if left:
        rows.append((f"and {len(left)} more", "", _signed(sum(piece.weight for piece in left)), ""))
    rows.append(("sum", "", number(cause.score), ""))
    yield Table(columns, tuple(rows))


def _changes(told: Diagnosis) -> Iterable[str]:
    for change in told.changes[:MOST_CHANGES]:
        held = ", held to be the cause" if change.change_id == told.change_id else ""
        why = "; ".join(cut(piece.text, 300) for piece in change.evidence[:MOST_EVIDENCE])
        yield f"{cut(change.change_id, 200)} ({number(change.score)}{held}){': ' if why else ''}{why}"
    yield from _rest(len(told.changes), MOST_CHANGES)


def _timeline(entries: Sequence[TimelineEntry]) -> tuple[Block, ...]:
    most = 2 * ENTRIES_AT_EACH_END
    columns = (Column("time", 2.2), Column("kind", 1.2), Column("what", 6), Column("who", 1.6))
    rows = [_entry(entry) for entry in entries]
    if len(rows) > most:
        gone = ("", "", f"{len(rows) - most:,} entries between are left out", "")
        rows = [*rows[:ENTRIES_AT_EACH_END], gone, *rows[-ENTRIES_AT_EACH_END:]]
    return (Table(columns, tuple(rows)),) if rows else (Paragraph("Nothing is kept."),)


def _entry(entry: TimelineEntry) -> tuple[str, str, str, str]:
    return moment(entry.time_unix_nano), cut(entry.kind, 40), cut(entry.text), cut(entry.actor, 100)


def _done(entries: Sequence[TimelineEntry]) -> Iterable[Block]:
    """What people did, and what changed the incident's state by itself."""
    rows = [_entry(one) for one in entries if one.actor != _OURSELVES or one.kind in _PEOPLE_DO]
    most = 2 * ENTRIES_AT_EACH_END
    if not rows:
        yield Paragraph("Nobody moved the incident, paged somebody, or left a note.")
        return
    columns = (Column("time", 2.2), Column("who", 1.6), Column("kind", 1.2), Column("what", 6))
    yield Table(columns, tuple((time, who, kind, what) for time, kind, what, who in rows[-most:]))
    if len(rows) > most:
        yield Paragraph(f"{len(rows) - most:,} steps before are left out.")


def _evidence(story: Story) -> Iterable[Block]:
    incident = story.incident
    for finding in drawn(incident):
        view = story.views.get(finding.finding_id)
        figure = None if view is None else figure_of(view, finding)
        named = f"{cut(finding.title, 300)} on {cut(finding.entity, 300)}"
        yield figure or Paragraph(f"No chart of {named}: no samples of that time are kept.")
    if not incident.findings:
        yield Paragraph("No finding is kept with this incident.")
        return
    columns = (
        Column("since", 1.7), Column("until", 1.7), Column("entity", 2.2), Column("what", 3.2),
        Column("observed", 1.5, numeric=True), Column("expected", 2, numeric=True),
        Column("chance if healthy", 1.5), Column("check", 1.4),
    )  # fmt: skip
    yield Table(columns, tuple(_finding(one, story) for one in incident.findings[:MOST_FINDINGS]))
    if len(incident.findings) > MOST_FINDINGS:
        yield Paragraph(f"and {len(incident.findings) - MOST_FINDINGS:,} more findings.")
    if incident.more:
        counted = [f"{count:,} {TIMES} {cut(title, 300)}" for title, count in incident.more[:MOST_KINDS]]
        yield Paragraph("Counted, not kept whole:")
        yield Bullets((*counted, *_rest(len(incident.more), MOST_KINDS)))


def _finding(one: Finding, story: Story) -> tuple[Cell, ...]:
    seen = one.evidence
    unit = cut(seen.unit, LONGEST_UNIT)
    return (
        moment(one.start_unix_nano),
        "it holds" if one.state is FindingState.OPEN else moment(one.end_unix_nano),
        cut(one.entity, 300),
        f"{cut(one.title, 300)} ({cut(one.detector, 60)})",
        quantity(seen.observed, unit),
        f"{quantity(seen.low, unit)} to {quantity(seen.high, unit)}",
        p_text(seen.p_value),
        _check(story, partial(story.rows_of, one)),
    )


def _check(story: Story, path_of: Callable[[], str]) -> Cell:
    try:
        path = path_of()
    except UnicodeEncodeError:  # half of a surrogate pair: no address can have it
        return ""
    return Link(_ROWS, story.base + path) if path else ""


def _signed(weight: float) -> str:
    return f"{'+' if weight > 0 else ''}{number(weight)}"


def _rest(count: int, most: int) -> tuple[str, ...]:
    return (f"and {count - most:,} more",) if count > most else ()


def _many(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
