"""Messages with a structure of their own: JSON, `key=value` lines, and stack traces of several lines.

Their pattern is made of their keys and of the message that one of the keys holds; of a trace, of the first
line, the exception, its innermost cause and a digest of the frames (without line numbers).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b

from stormpetrel.patterns.mask import WILD, Constant, Tokens, tokens

MAX_TOKENS, MAX_KEYS = 96, 48  # of a pattern; what is longer differs by its beginning
_MESSAGE = frozenset(
    {"msg", "message", "event", "error", "err", "exception", "reason", "body", "log", "text"}
)
_LEVEL = frozenset({"level", "lvl", "severity", "loglevel", "log_level", "levelname"})
_PAIR = re.compile(r'([A-Za-z_][\w.\-]*)=("(?:[^"\\]|\\.)*"|\S*)')
_EXCEPTION = re.compile(
    r"\b((?:[A-Za-z_]\w*\.)*[A-Za-z_$]*(?:Exception|Error|Throwable|Fault|Interrupt))\b:? ?(.*)"
)
_FRAME = re.compile(r'^\s*(?:at (\S+?)\(.*\)?$|at (\S+)|File "[^"]*", line 0, in (\S+)|([\w./*()]+)\(.*\)$)')
_LONE_FRAME = re.compile(r"^\s+at \S+\(.*\)$|^\s*\.\.\. 0 more$")


def key_of(message: str) -> tuple[Tokens, tuple[Constant, ...]]:
    """The tokens that make the pattern of a message, of whatever structure; and its constants."""
    if "\n" in message:
        return _trace(message)
    text = message.strip()
    if text.startswith("{") and text.endswith("}"):
        fields = _json(text)
        if fields is not None:
            return _fields(fields), ()
    if text.count("=") >= 3:
        pairs = {m.group(1): m.group(2).strip('"') for m in _PAIR.finditer(text)}
        listed = any(value.endswith(",") for value in pairs.values())
        if len(pairs) >= 3 and not listed and not _PAIR.sub("", text).strip() and _MESSAGE & pairs.keys():
            return _fields(pairs), ()
    if _LONE_FRAME.match(message):
        return ("at", WILD), ()
    key, constants = tokens(text)
    if len(key) > MAX_TOKENS:
        key = (*key[:MAX_TOKENS], WILD)
        constants = tuple(c for c in constants if c.at < MAX_TOKENS)
    return key, constants


def _json(text: str) -> Mapping[str, object] | None:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _fields(fields: Mapping[str, object]) -> Tokens:
    """Message first, then the other keys by name; only message and level keep their values."""
    said: list[str] = []
    rest: list[str] = []
    for key, value in list(fields.items())[:MAX_KEYS]:
        name = key.lower()
        if name in _MESSAGE and isinstance(value, str):
            said += [f"{key}=", *tokens(value)[0][: MAX_TOKENS // 2]]
        elif name in _LEVEL and isinstance(value, str) and value.isalpha():
            rest.append(f"{key}={value}")
        else:
            rest.append(f"{key}={WILD}")
    return (*said, *sorted(rest))


def _trace(message: str) -> tuple[Tokens, tuple[Constant, ...]]:
    lines = message.split("\n")
    first, constants = tokens(lines[0])
    first = first[: MAX_TOKENS // 2]
    found = [match for line in lines[:400] if (match := _EXCEPTION.search(line)) and not _FRAME.match(line)]
    frames = [
        next(filter(None, m.groups()))
        for line in lines[1:400]
        if (m := _FRAME.match(line)) and any(m.groups())
    ]
    if not found and not frames:
        rest = tokens(" ".join(lines[1:]))[0]
        return (*first, *rest)[:MAX_TOKENS], tuple(c for c in constants if c.at < len(first))
    out = list(first)
    if found:
        out += ["|", found[-1].group(1), *tokens(found[-1].group(2))[0][: MAX_TOKENS // 4]]
    digest = blake2b("\n".join(frames).encode("utf-8", "replace"), digest_size=3).hexdigest()
    return (*out, "|", f"frames:{digest}"), tuple(c for c in constants if c.at < len(first))
