"""The contract of `ports.knowledge.KnowledgeStore` as a suite, for the built-in store and for yours.

    @pytest.mark.parametrize("check", KNOWLEDGE_CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(lambda: MyControlStore(tmp_path))

Each check is given a function that opens *the same* store anew, empty at the first call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from stormpetrel.errors import StateError
from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import CauseOutcome, CauseVerdict, HelpedNote, ToldCause, ToldDiagnosis
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.similar import Feature, FeatureFamily, Fingerprint, IncidentBrief
from stormpetrel.ports.knowledge import KEPT_TOLD
from stormpetrel.testing.check_control_store import MakeControlStore, sample_incident
from stormpetrel.testing.require import equal, refused
from stormpetrel.testing.store_samples import NOW, ODD_TEXT

ODD = ODD_TEXT.replace("\x00", "")
TOLD = ToldDiagnosis(
    NOW,
    True,
    0.1 + 0.2,
    (ToldCause(f"service:{ODD}", CauseClass.SATURATION, 3.75), ToldCause("host:a", CauseClass.UNKNOWN, -0.5)),
    ODD,
)


def sample_verdict(
    incident: int, number: int, outcome: CauseOutcome = CauseOutcome.SOMETHING_ELSE
) -> CauseVerdict:
    """A statement with odd text everywhere."""
    return CauseVerdict(
        f"i{incident}", NOW - 9, number, outcome, ODD, ODD, (ODD, "host:a"), TOLD, ODD, NOW + number
    )


def verdicts_are_kept_in_order(make_store: MakeControlStore) -> None:
    """They come back whole, newest first, also after a restart; of one incident the newest are kept."""
    store = make_store()
    equal(store.cause_verdicts("i1"), [])
    given = [sample_verdict(1, number) for number in range(1, 6)]
    for one in given:
        store.add_cause_verdict(one, most_kept=3)
    store.add_cause_verdict(sample_verdict(2, 1), most_kept=3)
    refused(lambda: store.add_cause_verdict(given[-1], most_kept=3), StateError)
    store.close()
    store = make_store()
    equal(store.cause_verdicts("i1"), given[:1:-1])
    equal(store.cause_verdicts("i2"), [sample_verdict(2, 1)])
    store.close()


def the_newest_of_each_incident_counts(make_store: MakeControlStore) -> None:
    """One an incident, newest first, ties by id; those whose newest is taken back are left out."""
    store = make_store()
    for incident in (3, 1, 2):
        for number in (1, 2):
            store.add_cause_verdict(sample_verdict(incident, number))
    store.add_cause_verdict(sample_verdict(2, 3, CauseOutcome.TAKEN_BACK))
    store.add_cause_verdict(sample_verdict(4, 3, CauseOutcome.NO_CAUSE))
    counting = [(one.incident_id, one.number) for one in store.list_cause_verdicts()]
    equal(counting, [("i4", 3), ("i1", 2), ("i3", 2)])
    equal([one.incident_id for one in store.list_cause_verdicts(2)], ["i4", "i1"])
    store.add_cause_verdict(sample_verdict(2, 4, CauseOutcome.IT))
    equal(store.list_cause_verdicts(1), [sample_verdict(2, 4, CauseOutcome.IT)])
    store.close()


def what_was_told_is_kept(make_store: MakeControlStore) -> None:
    """It comes back exactly; given again, replaced; unknown is None."""
    store = make_store()
    equal(store.told("i1"), None)
    store.save_told("i1", dataclasses.replace(TOLD, causes=(), found=False))
    store.save_told("i1", TOLD)
    store.close()
    store = make_store()
    equal(store.told("i1"), TOLD)
    equal([one.causes for one in store.told_before("i1")], [()])
    for number in range(2 * KEPT_TOLD):
        store.save_told("i1", dataclasses.replace(TOLD, certainty=number / 100))
    equal(len(store.told_before("i1")), KEPT_TOLD)
    equal(store.told_before("i1")[0].certainty, (2 * KEPT_TOLD - 2) / 100)
    equal(store.told_before("i2"), [])
    store.close()


def fingerprints_are_kept(make_store: MakeControlStore) -> None:
    """They come back with their features in order; listed newest first; many are asked for at once."""
    store = make_store()
    every = tuple(Feature(family, ODD) for family in FeatureFamily)
    held = [Fingerprint(f"i{n}", NOW + n // 2, every[: n % 5], n % 2 == 0) for n in range(1200)]
    store.save_fingerprints([])
    store.save_fingerprints([dataclasses.replace(held[7], features=()), *held])
    store.close()
    store = make_store()
    equal(store.fingerprints([]), {})
    wanted = [one.incident_id for one in held] + ["unknown", "i7"]
    equal(store.fingerprints(wanted), {one.incident_id: one for one in held})
    newest = sorted(held, key=lambda one: (-one.start_unix_nano, one.incident_id))
    equal(store.list_fingerprints(5), newest[:5])
    equal(len(store.list_fingerprints()), 1200)
    store.close()


def notes_are_kept_and_deleted(make_store: MakeControlStore) -> None:
    """What helped comes back; given again, replaced; deleted, gone; to delete nothing is no error."""
    store = make_store()
    store.save_helped(HelpedNote("i1", "first", "jo", NOW))
    note = HelpedNote("i1", ODD, ODD, NOW + 1)
    store.save_helped(note)
    store.save_helped(HelpedNote("i2", "other", "jo", NOW))
    store.delete_helped("i2")
    store.delete_helped("i3")
    store.close()
    store = make_store()
    equal(store.helped(["i1", "i2", "i3"]), {"i1": note})
    store.close()


def briefs_agree_with_incidents(make_store: MakeControlStore) -> None:
    """Some incidents by id, in few words; unknown ones are missing."""
    store = make_store()
    incidents = [sample_incident(1), sample_incident(2, IncidentState.RESOLVED)]
    store.save_incidents(incidents)
    briefs = {
        one.incident_id: IncidentBrief(
            one.incident_id,
            one.sentence,
            one.state,
            one.severity,
            one.start_unix_nano,
            one.resolved_unix_nano,
        )
        for one in incidents
    }
    equal(store.incident_briefs(["i2", "i9", "i1"]), briefs)
    store.close()


KNOWLEDGE_CHECKS: tuple[Callable[[MakeControlStore], None], ...] = (
    verdicts_are_kept_in_order,
    the_newest_of_each_incident_counts,
    what_was_told_is_kept,
    fingerprints_are_kept,
    notes_are_kept_and_deleted,
    briefs_agree_with_incidents,
)
