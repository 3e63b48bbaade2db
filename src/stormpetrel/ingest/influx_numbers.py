"""Numbers and booleans of line protocol, read in place by compiled kernels.

Numbers of up to 2^53 with a decimal exponent of up to 22 are exact here: one rounding of exact operands
(Clinger 1990, "How to read floating point numbers accurately"). Of others only the shape is checked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number, compiled

# What a value is: none, a number, a number that is not exact here, a text.
BAD, NUMBER, SPAN, TEXT = 0, 1, 2, 3

INT64_MAX = np.uint64((1 << 63) - 1)

_PLUS, _MINUS, _POINT, _SIGNED, _UNSIGNED, _SMALL_E, _LARGE_E = 43, 45, 46, 105, 117, 101, 69
_EXACT = np.uint64(1 << 53)
_POWERS = np.array([float(f"1e{power}") for power in range(23)])
_TRUE, _FALSE = np.frombuffer(b"true", np.uint8), np.frombuffer(b"false", np.uint8)


@compiled
def read_number(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number]:
    """A number: (what it is, its value). `12i` and `12u` are whole ones."""
    negative = buf[at] == _MINUS
    at += negative or buf[at] == _PLUS
    mantissa, digits, exponent, at = read_digits(buf, at, end, np.uint64(0), 0, 0)
    if at + 1 == end and digits > 0 and (buf[at] == _SIGNED or buf[at] == _UNSIGNED):
        return _whole(mantissa, digits, negative, buf[at] == _SIGNED)
    if at < end and buf[at] == _POINT:
        mantissa, digits, exponent, at = read_digits(buf, at + 1, end, mantissa, digits, -1)
    if digits == 0:
        return BAD, 0.0
    if at < end and (buf[at] == _SMALL_E or buf[at] == _LARGE_E):
        power, at = _power(buf, at + 1, end)
        exponent += power
    if at != end:
        return BAD, 0.0
    if digits > 19 or mantissa > _EXACT or exponent > 22 or exponent < -22:
        return SPAN, 0.0
    exact = np.float64(mantissa)
    value = exact / _POWERS[-exponent] if exponent < 0 else exact * _POWERS[exponent]
    return NUMBER, (-value if negative else value)


@compiled
def _whole(mantissa: Number, digits: Number, negative: bool, signed: bool) -> tuple[Number, Number]:
    """A number that says it is whole, within 64 bits. Twenty digits do not fit the sum of digits here."""
    if digits == 20 and not signed and not negative:
        return SPAN, 0.0
    most = INT64_MAX + np.uint64(1) if negative else INT64_MAX
    if digits > 19 or (signed and mantissa > most) or (negative and not signed):
        return BAD, 0.0
    return NUMBER, (-np.float64(mantissa) if negative else np.float64(mantissa))


@compiled
def read_digits(
    buf: NDArray[np.uint8], at: Number, end: Number, mantissa: Number, digits: Number, step: Number
) -> tuple[Number, Number, Number, Number]:
    """Read digits on: (number, digits in all, exponent, next position). Void beyond 19 digits."""
    exponent = 0
    while at < end and 48 <= buf[at] <= 57:
        mantissa = mantissa * np.uint64(10) + np.uint64(buf[at] - 48)
        digits += 1
        exponent += step
        at += 1
    return mantissa, digits, exponent, at


@compiled
def _power(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number]:
    """The number behind an `e`: (power, end); end -1 where there is none. Beyond 9999 it is 9999."""
    negative = at < end and buf[at] == _MINUS
    if at < end and (negative or buf[at] == _PLUS):
        at += 1
    if at >= end:
        return 0, -1
    power = 0
    while at < end and 48 <= buf[at] <= 57:
        power = min(power * 10 + int(buf[at]) - 48, 9999)
        at += 1
    return (-power if negative else power), at


@compiled
def read_boolean(buf: NDArray[np.uint8], at: Number, end: Number) -> tuple[Number, Number]:
    """t, T, true, True, TRUE and their opposites."""
    size = end - at
    true = buf[at] == 116 or buf[at] == 84
    if not true and buf[at] != 102 and buf[at] != 70:
        return BAD, 0.0
    word = _TRUE if true else _FALSE
    if size == 1:
        return NUMBER, (1.0 if true else 0.0)
    if size != len(word):
        return BAD, 0.0
    small = buf[at] >= 97
    lower, upper = True, True
    for i in range(1, size):
        lower = lower and buf[at + i] == word[i]
        upper = upper and buf[at + i] == word[i] - 32
    good = lower or (upper and not small)
    return (NUMBER if good else BAD), (1.0 if true else 0.0)
