"""The store writer, log records and spans: a request is stored once, however often it is sent."""

from __future__ import annotations

import numpy as np
import pytest
from tests.app.intake import EVER, FailingStore, Intake, done, logs, spans, stored_bodies, stored_names

from stormpetrel.app.tokens import RequestTokens
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.model.columns import build_logs
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import LogBatch


def test_a_request_again_is_acknowledged_and_not_stored(intake: Intake, failing: FailingStore) -> None:
    for _ in range(2):
        done(intake.writer.logs(logs(7, ["a", "b"]), "test"))
        done(intake.writer.spans(spans(7, ["s"]), "test"))
    assert stored_bodies(failing) == ["a", "b"]
    assert intake.writer.stats.log_records_total == 2
    counts = {(c.source, c.verdict): c.count for c in intake.tally.quality_counts()}
    assert counts[("test", Quality.DUPLICATE)] >= 2


def test_no_record_was_observed_after_it_came(intake: Intake, failing: FailingStore) -> None:
    """Its sender may say so: then whatever believes the observation more than the event is misled."""
    now = intake.clock.now_unix_nano()
    ahead = now + now // 2
    batch = build_logs([ahead, now - 5], ["a", "b"], source="test", observed_unix_nano=[ahead, now - 3])
    done(intake.writer.logs(batch, "test"))
    rows = [row for found in failing.scan_logs(EVER) for row in found.records.to_pylist()]
    assert {row["body"]: (row["time_unix_nano"], row["observed_unix_nano"]) for row in rows} == {
        "a": (ahead, now),
        "b": (now - 5, now - 3),
    }


def test_kinds_of_one_request_are_known_apart(intake: Intake, failing: FailingStore) -> None:
    for number in (1, 2):
        done(intake.writer.logs(logs(7, ["a"]), "test"))
        done(intake.writer.spans(spans(7, ["s"]), "test"))
        assert stored_bodies(failing) == ["a"], number
        assert stored_names(failing) == ["s"], number


def test_a_group_of_seen_new_and_repeated_requests(intake: Intake, failing: FailingStore) -> None:
    done(intake.writer.logs(logs(1, ["one"]), "test"))
    failing.gate.clear()
    blocked = intake.writer.logs(logs(2, ["two"]), "test")
    sent = [(1, "one"), (3, "three"), (3, "three"), (2, "two"), (4, "four")]
    group = [intake.writer.logs(logs(token, [body]), "test") for token, body in sent]
    failing.gate.set()
    for future in (blocked, *group):
        done(future)
    assert stored_bodies(failing) == ["four", "one", "three", "two"]


def test_a_batch_of_several_requests_loses_only_the_rows_that_are_stored(
    intake: Intake, failing: FailingStore
) -> None:
    done(intake.writer.logs(logs(1, ["one"]), "test"))
    mixed = logs(np.array([1, 2, 2, 0], np.uint64), ["one", "two", "deux", "none"])
    done(intake.writer.logs(mixed, "test"))
    assert stored_bodies(failing) == ["deux", "none", "one", "two"]


def test_records_without_a_token_are_never_taken_for_a_retry(intake: Intake, failing: FailingStore) -> None:
    for _ in range(2):
        done(intake.writer.logs(logs(0, ["a"]), "test"))
    assert stored_bodies(failing) == ["a", "a"]


@pytest.mark.parametrize("after", [False, True], ids=["nothing stored", "stored all the same"])
@pytest.mark.parametrize("error", [StoreFullError("x"), TypeError("x")], ids=lambda e: type(e).__name__)
def test_a_failed_insert_is_retried_by_the_sender_and_stored_once(
    intake: Intake, failing: FailingStore, error: Exception, after: bool
) -> None:
    failing.fail("logs", error, after=after)
    failing.fail("spans", error, after=after)
    with pytest.raises(StoreError):
        done(intake.writer.logs(logs(7, ["a", "b"]), "test"))
    with pytest.raises(StoreError):
        done(intake.writer.spans(spans(8, ["s"]), "test"))
    done(intake.writer.logs(logs(7, ["a", "b"]), "test"))
    done(intake.writer.spans(spans(8, ["s"]), "test"))
    assert stored_bodies(failing) == ["a", "b"]
    assert stored_names(failing) == ["s"]
    assert sum(len(one) for one in intake.handed if isinstance(one, LogBatch)) == 2, "judged once"


def test_a_failed_request_in_a_group_of_others_is_stored_with_its_retry(
    intake: Intake, failing: FailingStore
) -> None:
    failing.fail("logs", StoreFullError("x"), times=2)
    for _ in range(2):
        with pytest.raises(StoreFullError):
            done(intake.writer.logs(logs(1, ["one"]), "test"))
    done(intake.writer.logs(logs(2, ["two"]), "test"))
    assert stored_bodies(failing) == ["two"]
    done(intake.writer.logs(logs(1, ["one"]), "test"))
    assert stored_bodies(failing) == ["one", "two"]


def test_a_restart_remembers_the_requests(failing: FailingStore) -> None:
    first = Intake(failing)
    done(first.writer.logs(logs(7, ["a"]), "test"))
    done(first.writer.spans(spans(8, ["s"]), "test"))
    first.stop()
    second = Intake(failing)
    done(second.writer.logs(logs(7, ["a"]), "test"))
    done(second.writer.spans(spans(8, ["s"]), "test"))
    second.stop()
    assert stored_bodies(failing) == ["a"]
    assert stored_names(failing) == ["s"]


def test_the_newest_tokens_are_remembered_and_no_more_than_the_limit() -> None:
    tokens = RequestTokens(limit=3)
    tokens.remember([1, 2, 3])
    tokens.remember([1, 0, 4])
    assert len(tokens) == 3
    left = tokens.unseen([logs(token, ["x"]).records for token in (1, 2, 3, 4)])
    assert [records.num_rows for records in left] == [0, 1, 0, 0]
