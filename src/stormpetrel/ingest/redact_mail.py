"""Mail addresses and credentials in URLs, found at their `@`. Compiled; no text is copied.

A mail address is what RFC 5321 calls a mailbox, without its rare forms: letters, digits and
`.!#$%&'*+/=?^_{|}~-`
of which only `._%+-` are taken, `@`, and a name of at least two parts whose last has letters only. Units of
systemd (`getty@tty1.service`) and names of files (`icon@2x.png`) are none.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number
from stormpetrel.ingest.redact_numbers import Bytes, is_digit

MOST_LOCAL, MOST_DOMAIN = 64, 253
_MOST_CREDENTIALS = 512

# Last parts that make a word with an `@` something else than an address.
_NO_DOMAINS = (
    "service", "socket", "target", "mount", "automount", "timer", "slice", "scope", "path", "device", "swap",
    "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "mjs", "ts", "map", "json", "html", "so", "jar",
    "log", "conf", "sock",
)  # fmt: skip


def _code(word: str) -> int:
    """A word of at most twelve small letters as one number."""
    value = 0
    for letter in word:
        value = value * 27 + ord(letter) - 96
    return value


_NO_DOMAIN_CODES: NDArray[np.int64] = np.array(sorted(_code(word) for word in _NO_DOMAINS), np.int64)
_LONGEST_CODED = 12


@njit(nogil=True, cache=True)
def _is_letter(c: Number) -> bool:
    return bool(65 <= c <= 90 or 97 <= c <= 122)


@njit(nogil=True, cache=True)
def _is_local(c: Number) -> bool:
    """Letters, digits and . _ % + -"""
    return _is_letter(c) or is_digit(c) or c == 46 or c == 95 or c == 37 or c == 43 or c == 45


@njit(nogil=True, cache=True)
def mail_span(text: Bytes, start: Number, at: Number, end: Number) -> tuple[Number, Number]:
    """First byte of the address around the `@` at `at` and one past its last; (0, 0) when there is none."""
    left = at
    while left > start and at - left < MOST_LOCAL and _is_local(text[left - 1]):
        left -= 1
    while left < at and (text[left] == 46 or text[left] == 45):  # neither dot nor hyphen begins it
        left += 1
    if left == at or text[at - 1] == 46:
        return 0, 0
    stop = _domain_end(text, at + 1, end)
    if stop == 0:
        return 0, 0
    return left, stop


@njit(nogil=True, cache=True)
def _domain_end(text: Bytes, begin: Number, end: Number) -> Number:
    """One past the last part of a domain name; 0 when there is no such name."""
    k, last, found = begin, begin, 0
    while k < end and k - begin < MOST_DOMAIN:
        c = text[k]
        if c == 46:
            if k == last:  # an empty part
                break
            last = k + 1
        elif not (_is_letter(c) or is_digit(c) or c == 45):
            break
        k += 1
    # A dot or hyphen at the end belongs to the sentence, not to the name.
    while k > begin and (text[k - 1] == 46 or text[k - 1] == 45):
        k -= 1
    last = k
    while last > begin and text[last - 1] != 46:
        last -= 1
    if last > begin and _is_top(text, last, k):
        found = k
    return found


@njit(nogil=True, cache=True)
def _is_top(text: Bytes, begin: Number, end: Number) -> bool:
    """Two to twenty-four letters that are not in the list of what is no domain."""
    size = end - begin
    if size < 2 or size > 24:
        return False
    code = np.int64(0)
    for k in range(begin, end):
        if not _is_letter(text[k]):
            return False
        if size <= _LONGEST_CODED:
            code = code * 27 + np.int64(text[k] | 32) - 96
    if size > _LONGEST_CODED:
        return True
    for k in range(len(_NO_DOMAIN_CODES)):
        if _NO_DOMAIN_CODES[k] == code:
            return False
    return True


@njit(nogil=True, cache=True)
def has_credentials(text: Bytes, start: Number, at: Number) -> bool:
    """Whether `scheme://name:password` stands right before the `@` at `at`."""
    colon = False
    k = at - 1
    while k > start and at - k < _MOST_CREDENTIALS:
        c = text[k]
        if 9 <= c <= 13 or c == 32 or c == 34 or c == 39 or c == 92:
            return False
        if c == 47:
            return colon and k - start >= 2 and text[k - 1] == 47 and text[k - 2] == 58
        if c == 58:
            colon = True
        k -= 1
    return False
