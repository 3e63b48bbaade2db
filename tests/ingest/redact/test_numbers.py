"""Card and account numbers against plain Python of their standards, and mail addresses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.redact_mail import has_credentials, mail_span
from stormpetrel.ingest.redact_numbers import card_end, iban_end


def as_bytes(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(text.encode(), np.uint8)


def luhn(digits: str) -> int:
    """The check digit after these digits."""
    total = sum(
        sum(divmod(2 * int(d), 10)) if place % 2 == 0 else int(d) for place, d in enumerate(reversed(digits))
    )
    return -total % 10


def card(text: str) -> int:
    return int(card_end(as_bytes(text), 0, 0, len(text.encode())))


def iban(text: str) -> int:
    return int(iban_end(as_bytes(text), 0, 2, len(text.encode())))


VISA = st.text(alphabet="0123456789", min_size=14, max_size=14).map(lambda tail: "4" + tail)


@settings(deadline=None)
@given(VISA)
def test_a_right_check_digit_and_no_other(stem: str) -> None:
    right = luhn(stem)
    assert [card(f"{stem}{digit}") for digit in range(10)] == [16 if d == right else 0 for d in range(10)]


@settings(deadline=None)
@given(VISA, st.sampled_from([" ", "-"]))
def test_groups_by_one_sign(stem: str, glue: str) -> None:
    number = f"{stem}{luhn(stem)}"
    groups = [number[k : k + 4] for k in range(0, 16, 4)]
    assert card(glue.join(groups)) == 19
    assert card(f"{groups[0]} {groups[1]}-{groups[2]} {groups[3]}") == 0


@pytest.mark.parametrize("after", ["", " ", ".", ",", ". Next", ")", '"', "/"])
def test_what_may_follow(after: str) -> None:
    assert card("4111111111111111" + after) == 16


@pytest.mark.parametrize("after", ["1", "a", "_", ".5", "-1", "é"])
def test_what_may_not_follow(after: str) -> None:
    assert card("4111111111111111" + after) == 0


@pytest.mark.parametrize("before", ["a", "_", ".", "-", "é"])
def test_what_may_not_go_before(before: str) -> None:
    text = f"{before}4111111111111111"
    start = len(before.encode())
    assert card_end(as_bytes(text), 0, start, len(text.encode())) == 0


@pytest.mark.parametrize(
    "number",
    ["5555555555554444", "2221000000000009", "378282246310005", "6011111111111117", "3530111333300000",
     "30569309025904", "6200000000000005", "4222222222222", "6759649826438453"],
)  # fmt: skip
def test_numbers_that_issuers_publish_for_tests(number: str) -> None:
    assert card(number) == len(number)


@pytest.mark.parametrize(
    "number",
    ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606", "NO9386011117947",
     "MT84MALT011000012345MTLCAST001S", "CH9300762011623852957", "NL91ABNA0417164300"],
)  # fmt: skip
def test_accounts_that_the_registry_gives_as_examples(number: str) -> None:
    spaced = " ".join(number[k : k + 4] for k in range(0, len(number), 4))
    assert iban(number) == len(number)
    assert iban(spaced) == len(spaced)
    assert iban(number + "1") == 0
    assert iban(number[:-1]) == 0


@settings(deadline=None)
@given(st.text(alphabet="0123456789", min_size=18, max_size=18), st.integers(0, 99))
def test_an_account_is_one_only_with_its_check_digits(account: str, check: int) -> None:
    right = 98 - int(f"{account}131400") % 97  # D is 13, E is 14
    assert (iban(f"DE{check:02d}{account}") > 0) is (check % 97 == right % 97)
    assume(check != right)
    assert iban(f"DE{right:02d}{account}") == 22


@settings(deadline=None)
@given(
    st.from_regex(
        r"[a-z][a-z0-9._+-]{0,20}[a-z0-9]@[a-z][a-z0-9-]{0,10}[a-z0-9]\.(org|com|info)", fullmatch=True
    )
)
def test_an_address_is_found_whole(address: str) -> None:
    assume(".." not in address)
    text = f"to <{address}>."
    at = text.index("@")
    assert mail_span(as_bytes(text), 0, at, len(text)) == (4, 4 + len(address))


@pytest.mark.parametrize(
    "text",
    [
        "@",
        "a@",
        "@b.org",
        "a@b",
        "a@b.c",
        "a@b.1x",
        "a.@b.org",
        "a@.org",
        "user@1000.service",
        "a@b.png",
        "a@-",
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert mail_span(as_bytes(text), 0, text.index("@"), len(text)) == (0, 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [("amqp://u:p@h", True), ("amqp://:p@h", True), ("http://u@h", False), ("http://h:80/a@b", False),
     ("u:p@h", False),
     ("http://u:p p@h", False)],
)  # fmt: skip
def test_credentials_of_urls(text: str, found: bool) -> None:
    assert has_credentials(as_bytes(text), 0, text.index("@")) is found
