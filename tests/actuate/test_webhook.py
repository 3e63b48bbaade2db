"""Webhooks and feature flags: a receiver on loopback that checks what receivers must check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place
from tests.actuate.receiver import SECRET, Receiver

from stormpetrel.adapters.actuate.flags import FlagsActuator, FlagsSettings
from stormpetrel.adapters.actuate.webhook import WebhookActuator, WebhookSettings
from stormpetrel.adapters.signing import signature, verify
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

FLAG = "service:checkout"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def settings(receiver: Receiver, **changed: Any) -> dict[str, Any]:
    return {
        "type": "it", "url": f"{receiver.url}/act", "status_url": f"{receiver.url}/status?of=shop",
        "allowed_hosts": ["127.0.0.1"], "secret": {"env": "HOOK"}, "targets": {FLAG: "new-checkout"},
        **changed,
    }  # fmt: skip


def flags(receiver: Receiver, journal: Path, secret: str = SECRET) -> FlagsActuator:
    return FlagsActuator(
        place(journal, {"HOOK": secret}),
        FlagsSettings.model_validate(settings(receiver, flags={FLAG: ["new-checkout"]})),
    )


def hook(receiver: Receiver, journal: Path) -> WebhookActuator:
    parameters = {
        "reason": {"kind": "text", "pattern": "[a-z ]{1,40}"},
        "share": {"kind": "float", "least": 0, "most": 1},
    }
    actions = {"traffic.shift": {"effect": "disruptive", "field": "share", "parameters": parameters}}
    section = WebhookSettings.model_validate(settings(receiver, actions=actions))
    return WebhookActuator(place(journal, {"HOOK": SECRET}), section)


def test_contract_of_flags(receiver: Receiver, tmp_path: Path) -> None:
    actuator = flags(receiver, tmp_path / "look")

    def off() -> Action:
        receiver.value = True
        return action(actuator, "flag.set", FLAG, flag="new-checkout", on=False)

    check_actuator(
        ActuatorCase(
            make=lambda folder: flags(receiver, folder), folder=tmp_path / "journal", action=off,
            effects=receiver.count, hang=receiver.mute, secrets=(SECRET,), undoes=True,
        )
    )  # fmt: skip
    assert receiver.refused == []


def test_contract_of_own_actions(receiver: Receiver, tmp_path: Path) -> None:
    actuator = hook(receiver, tmp_path / "look")
    check_actuator(
        ActuatorCase(
            make=lambda folder: hook(receiver, folder), folder=tmp_path / "journal",
            action=lambda: action(actuator, "traffic.shift", FLAG, reason="too many errors", share=0.5),
            effects=receiver.count, hang=receiver.mute, secrets=(SECRET,),
            safe_texts=frozenset({"a b"}),
        )
    )  # fmt: skip


def test_the_receiver_learns_what_and_on_whom(receiver: Receiver, tmp_path: Path) -> None:
    actuator = hook(receiver, tmp_path)
    what = action(actuator, "traffic.shift", FLAG, reason="too many errors", share=0.25)
    result = actuator.act(Order("run/1", what, 20, 7))
    assert (result.outcome, result.evidence) == (ActOutcome.DONE, (("version", "2"),))
    assert receiver.orders == [
        {
            "key": "run/1", "kind": "traffic.shift", "entity": FLAG, "target": "new-checkout",
            "generation": "v1", "parameters": {"reason": "too many errors", "share": 0.25}, "lease": 7,
        }
    ]  # fmt: skip


def test_an_answer_that_was_lost_is_found_out(receiver: Receiver, tmp_path: Path) -> None:
    actuator = flags(receiver, tmp_path / "a")
    order = Order("k", action(actuator, "flag.set", FLAG, flag="new-checkout", on=False), 0.5, 1)
    with receiver.mute():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    # The receiver keeps the key: another node without our journal finds out as well.
    assert flags(receiver, tmp_path / "b").resolve(order).outcome is ActOutcome.DONE
    assert actuator.resolve(order).outcome is ActOutcome.DONE
    assert receiver.count() == 1


@pytest.mark.parametrize(
    ("status", "acts", "outcome"),
    [
        (400, False, ActOutcome.NOT_DONE),
        (403, False, ActOutcome.NOT_DONE),
        (409, False, ActOutcome.IN_DOUBT),
        (429, False, ActOutcome.IN_DOUBT),
        (500, True, ActOutcome.IN_DOUBT),
        (503, False, ActOutcome.IN_DOUBT),
        (202, True, ActOutcome.DONE),
        (202, False, ActOutcome.NOT_DONE),
        (204, True, ActOutcome.DONE),
    ],
)
def test_what_a_status_means(
    receiver: Receiver, tmp_path: Path, status: int, acts: bool, outcome: ActOutcome
) -> None:
    receiver.answer, receiver.acts = (status, b"", {}), acts
    actuator = flags(receiver, tmp_path)
    order = Order("k", action(actuator, "flag.set", FLAG, flag="new-checkout", on=False), 20, 1)
    assert actuator.act(order).outcome is outcome
    assert actuator.resolve(order).outcome is (ActOutcome.DONE if acts else ActOutcome.NOT_DONE)


def test_a_redirect_is_not_followed(receiver: Receiver, tmp_path: Path) -> None:
    other = Receiver()
    receiver.answer, receiver.acts = (307, b"", {"Location": f"{other.url}/act"}), False
    actuator = flags(receiver, tmp_path)
    result = actuator.act(
        Order("k", action(actuator, "flag.set", FLAG, flag="new-checkout", on=False), 20, 1)
    )
    assert (result.outcome, other.count(), other.refused) == (ActOutcome.NOT_DONE, 0, [])
    other.close()


def test_an_answer_without_end_is_cut(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answer = (200, b"x" * (1 << 20), {})
    actuator = flags(receiver, tmp_path)
    result = actuator.act(
        Order("k", action(actuator, "flag.set", FLAG, flag="new-checkout", on=False), 20, 1)
    )
    assert (result.outcome, "more than" in result.text) == (ActOutcome.IN_DOUBT, True)


def test_a_secret_that_the_receiver_echoes_is_taken_out(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answer = (400, f"bad secret {SECRET}".encode(), {})
    actuator = flags(receiver, tmp_path)
    result = actuator.act(
        Order("k", action(actuator, "flag.set", FLAG, flag="new-checkout", on=False), 20, 1)
    )
    assert "bad secret [secret]" in result.text


def test_a_receiver_with_another_secret_does_nothing(receiver: Receiver, tmp_path: Path) -> None:
    right = flags(receiver, tmp_path / "a")
    what = action(right, "flag.set", FLAG, flag="new-checkout", on=False)
    wrong = flags(receiver, tmp_path / "b", "another secret")
    assert wrong.act(Order("k", what, 20, 1)).outcome is ActOutcome.NOT_DONE
    assert (receiver.count(), set(receiver.refused)) == (0, {"signature"})


def test_a_flag_that_is_off_has_no_way_back(receiver: Receiver, tmp_path: Path) -> None:
    actuator = flags(receiver, tmp_path)
    receiver.value = False
    assert actuator.inverse(action(actuator, "flag.set", FLAG, flag="new-checkout", on=False)) is None
    receiver.value = True
    inverse = actuator.inverse(action(actuator, "flag.set", FLAG, flag="new-checkout", on=False))
    assert inverse is not None
    assert (inverse.parameter("flag"), inverse.parameter("on")) == ("new-checkout", True)


def test_a_flag_that_is_not_on_the_list_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    actuator = flags(receiver, tmp_path)
    result = actuator.act(Order("k", action(actuator, "flag.set", FLAG, flag="payments", on=False), 20, 1))
    assert (result.outcome, receiver.count()) == (ActOutcome.NOT_DONE, 0)


def test_a_signature_holds_for_its_text_and_secret_only() -> None:
    given = signature("secret", b"text")
    assert verify("secret", b"text", given)
    assert not verify("secret", b"texT", given)
    assert not verify("Secret", b"text", given)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"url": "https://elsewhere.example/act"}, "allowed_hosts"),
        ({"url": "http://shop.example/a", "allowed_hosts": ["shop.example", "127.0.0.1"]}, "https is needed"),
        ({"url": "http://user:pass@127.0.0.1/a"}, "password"),
        ({"secret": {"env": "A", "file": "/b"}}, "exactly one"),
        ({"secret": {"value": "inline"}}, "Extra inputs"),
    ],
)
def test_sections_that_are_refused(receiver: Receiver, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FlagsSettings.model_validate(settings(receiver, flags={FLAG: ["new-checkout"]}, **changed))


def test_texts_of_own_actions_need_a_pattern(receiver: Receiver) -> None:
    actions = {"a.b": {"effect": "disruptive", "parameters": {"c": {"kind": "text"}}}}
    with pytest.raises(ValidationError, match="needs a pattern"):
        WebhookSettings.model_validate(settings(receiver, actions=actions))
    with pytest.raises(ValidationError, match="reversible_by"):
        WebhookSettings.model_validate(settings(receiver, actions={"a.b": {"effect": "reversible"}}))
