"""Payment card and bank account numbers, found by shape and check digits. Compiled; no text is copied.

Cards (ISO/IEC 7812-1): 13 to 19 digits of an issuer's range and length, whose Luhn sum is right, whole or
in groups of at least four by single blanks or hyphens. Accounts (ISO 13616, IBAN): two capitals of a
country that
has them, two check digits and that country's number of letters and digits, whose remainder by 97 is 1,
whole or in groups of four. What stands inside a longer word, a decimal or behind a sign is none: hex ids,
UUIDs, times and order numbers survive. One random number in ten has a right Luhn sum, so that an order
number of sixteen digits that begins like a card is taken for one, once in ten.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number

Bytes = NDArray[np.uint8]

_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27,
    "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25,
    "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
    "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33,
    "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip


def _length_table() -> Bytes:
    table = np.zeros(26 * 26, np.uint8)
    for code, length in _LENGTHS.items():
        table[(ord(code[0]) - 65) * 26 + ord(code[1]) - 65] = length
    return table


_LENGTH_OF = _length_table()
_MOST_GROUPS = 5


@njit(nogil=True, cache=True)
def is_digit(c: Number) -> bool:
    """0 to 9."""
    return bool(48 <= c <= 57)


@njit(nogil=True, cache=True)
def is_word(c: Number) -> bool:
    """A letter or digit of ASCII, an underscore, or part of a character beyond ASCII."""
    return bool(48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95 or c >= 128)


@njit(nogil=True, cache=True)
def digits_end(text: Bytes, at: Number, end: Number) -> Number:
    """Where the digits that begin at `at` end."""
    while at < end and is_digit(text[at]):
        at += 1
    return at


@njit(nogil=True, cache=True)
def card_end(text: Bytes, start: Number, at: Number, end: Number) -> Number:
    """Where the card number that begins at the digit `at` ends; 0 when there is none.

    Args:
        text: the bytes.
        start: first byte of the row.
        at: a digit whose predecessor is none.
        end: one past the last byte of the row.
    """
    first = text[at]
    if first < 50 or first > 54:  # all issuers begin with 2 to 6
        return 0
    if at > start and (is_word(text[at - 1]) or text[at - 1] == 45 or text[at - 1] == 46):
        return 0
    stop = digits_end(text, at, end)
    if stop - at == 4 and stop + 4 < end and (text[stop] == 32 or text[stop] == 45):
        return _grouped_end(text, at, end)
    if 13 <= stop - at <= 19 and _ends_well(text, stop, end) and _is_card(text, at, stop):
        return stop
    return 0


@njit(nogil=True, cache=True)
def _grouped_end(text: Bytes, at: Number, end: Number) -> Number:
    """The longest run of groups, the first of four digits, that is a card number."""
    glue = text[at + 4]
    stop, found, groups = at + 4, 0, 1
    while groups < _MOST_GROUPS and stop + 1 < end and text[stop] == glue and is_digit(text[stop + 1]):
        until = digits_end(text, stop + 1, end)
        size = until - stop - 1
        if size > 6:
            break
        stop = until
        groups += 1
        if groups >= 3 and _ends_well(text, stop, end) and _is_card(text, at, stop):
            found = stop
        if size < 4:  # only the last group may be shorter
            break
    return found


@njit(nogil=True, cache=True)
def _ends_well(text: Bytes, stop: Number, end: Number) -> bool:
    """Nothing follows that makes the digits part of something longer."""
    if stop >= end:
        return True
    c = text[stop]
    if is_word(c):
        return False
    return not ((c == 46 or c == 45) and stop + 1 < end and is_word(text[stop + 1]))


@njit(nogil=True, cache=True)
def _is_card(text: Bytes, at: Number, stop: Number) -> bool:
    """Issuer, length and Luhn sum of the digits in text[at:stop], whatever else is between them."""
    total: Number = 0
    count: Number = 0
    prefix: Number = 0
    for k in range(stop - 1, at - 1, -1):
        if not is_digit(text[k]):
            continue
        digit: Number = np.int64(text[k]) - 48
        if count % 2 == 1:
            digit = 2 * digit - 9 if digit > 4 else 2 * digit
        total += digit
        count += 1
    if total % 10 != 0 or count < 13 or count > 19:
        return False
    taken, k = 0, at
    while taken < 4:
        if is_digit(text[k]):
            prefix = 10 * prefix + np.int64(text[k]) - 48
            taken += 1
        k += 1
    return _issued(prefix, count)


@njit(nogil=True, cache=True)
def _issued(prefix: Number, count: Number) -> bool:
    """Whether an issuer gives numbers of this length that begin with these four digits."""
    one, two, three = prefix // 1000, prefix // 100, prefix // 10
    if one == 4:
        return bool(count == 13 or count == 16 or count == 19)
    if 51 <= two <= 55 or 2221 <= prefix <= 2720:
        return bool(count == 16)
    if two == 34 or two == 37:
        return bool(count == 15)
    if 3528 <= prefix <= 3589 or prefix == 6011 or two == 65 or 644 <= three <= 649 or two == 62:
        return bool(count >= 16)
    if 300 <= three <= 305 or two == 36 or two == 38 or two == 39:
        return bool(count == 14 or count == 16)
    return bool((two == 50 or 56 <= two <= 58 or two == 63 or two == 67) and count >= 16)


@njit(nogil=True, cache=True)
def iban_end(text: Bytes, start: Number, at: Number, end: Number) -> Number:
    """Where the account number ends whose check digits begin at `at`; 0 when there is none."""
    begin = at - 2
    if begin < start or not (65 <= text[begin] <= 90 and 65 <= text[begin + 1] <= 90):
        return 0
    if begin > start and is_word(text[begin - 1]):
        return 0
    length = np.int64(_LENGTH_OF[(np.int64(text[begin]) - 65) * 26 + np.int64(text[begin + 1]) - 65])
    if length == 0:
        return 0
    stop = _account_end(text, begin, end, length)
    if stop == 0 or (stop < end and is_word(text[stop])):
        return 0
    return stop if _remainder(text, begin, stop) == 1 else 0


@njit(nogil=True, cache=True)
def _account_end(text: Bytes, begin: Number, end: Number, length: Number) -> Number:
    """One past `length` capitals and digits, in one or in groups of four; 0 when there are fewer."""
    spaced = begin + 4 < end and text[begin + 4] == 32
    count, k = 0, begin
    while k < end and count < length:
        c = text[k]
        if c == 32 and spaced and count % 4 == 0 and count > 0:
            k += 1
            continue
        if not (is_digit(c) or 65 <= c <= 90):
            return 0
        count += 1
        k += 1
    return k if count == length else 0


@njit(nogil=True, cache=True)
def _remainder(text: Bytes, begin: Number, stop: Number) -> Number:
    """The account number by 97, its first four characters moved to the end (ISO 7064)."""
    remainder = np.int64(0)
    for turn in range(2):
        low = begin + 4 if turn == 0 else begin
        high = stop if turn == 0 else begin + 4
        for k in range(low, high):
            c = np.int64(text[k])
            if c == 32:
                continue
            if is_digit(c):
                remainder = (remainder * 10 + c - 48) % 97
            else:
                remainder = (remainder * 100 + c - 55) % 97
    return int(remainder)
