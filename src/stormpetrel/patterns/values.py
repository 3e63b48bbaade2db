"""The values of a line's variables: the line laid beside its template, once through."""

from __future__ import annotations

import json
import re

from stormpetrel.patterns.mask import WILD, Tokens

MAX_VALUES = 24  # of a line
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"([A-Za-z_][\w.\-]*)[=:\[({\"' ]*$")


def values_of(line: str, key: Tokens, words: int) -> list[tuple[str, str]]:
    """Names and values, left to right, at most MAX_VALUES. O(length of the line).

    Args:
        line: as it came.
        key: the tokens of its pattern.
        words: how many words the message has; what stands before them is header.

    >>> values_of("Jan 1 00:00:00 h sshd[3]: took 532 ms for uid=7", ("took", "<*> ms", "for", "uid=<*>"), 5)
    [('took', '532'), ('uid', '7')]
    """
    if line.startswith("{"):
        return _of_json(line)
    said = line.split()[-words:] if words else []
    wanted = [word for token in key for word in token.split()]
    out: list[tuple[str, str]] = []
    k, before = 0, ""
    for at, word in enumerate(wanted):
        if k >= len(said) or len(out) >= MAX_VALUES:
            break
        if WILD not in word:
            k += 1
        elif word == WILD:
            after = wanted[at + 1] if at + 1 < len(wanted) else None
            end = k + 1
            spare = len(said) - k - (len(wanted) - at)
            while end - k <= spare and (after is None or not _fits(after, said[end])):
                end += 1
            out.append((_named(before, len(out)), " ".join(said[k:end])))
            k = end
        else:
            out += _within(word, said[k], before, len(out))
            k += 1
        before = word
    return out[:MAX_VALUES]


def _fits(word: str, said: str) -> bool:
    first = word.partition(WILD)[0]
    return _DIGITS.sub("0", said).startswith(_DIGITS.sub("0", first)) if first else WILD in word


def _within(word: str, said: str, before: str, taken: int) -> list[tuple[str, str]]:
    """Values inside one word, such as `a=<*>,b=<*>`."""
    parts = word.split(WILD)
    out: list[tuple[str, str]] = []
    at = len(parts[0])
    for k in range(1, len(parts)):
        end = said.find(parts[k], at) if parts[k] else len(said)
        if end < 0:
            break
        if k == len(parts) - 1 and parts[k]:
            end = max(end, len(said) - len(parts[k]))
        out.append((_named(parts[k - 1] or before, taken + len(out)), said[at:end]))
        at = end + len(parts[k])
    return out


def _named(before: str, number: int) -> str:
    word = _WORD.search(before.replace(WILD, ""))
    return word.group(1).rstrip("-.") if word else f"v{number + 1}"


def _of_json(line: str) -> list[tuple[str, str]]:
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        return []
    if not isinstance(tree, dict):
        return []
    return [(str(key), str(value)) for key, value in tree.items() if isinstance(value, str | int | float)][
        :MAX_VALUES
    ]
