"""From the skeleton of a message to its tokens, with `<*>` for what is variable in any log.

Numbers, addresses, identifiers, paths, host names, booleans, durations, sizes and the values of `key=value`
are variables by their look (the rules of Khan et al., ICSE 2022). What only varies, such as user names, is
left to evidence: see `groups`.

Some variables are only variables by habit: `tty=ssh` never says anything but `ssh`, `took 3 seconds` is always
in seconds, a class name is always the same. Grouping sees `<*>`; the text that people read keeps the constant
for as long as it is one. These are the *constants* of a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WILD = "<*>"
Tokens = tuple[str, ...]

_MASKS = re.compile(
    r"""
 (?P<size>\b0(?:\.0)?\ (?:bytes|[KMGT]i?B)\ \(0(?:\.0)?\ [KMGT]i?B\))
|(?P<url>\b[a-z][a-z0-9+.\-]{1,15}://[^\s,;'"<>)\]]+)
|(?P<time>\b0[-/]0[-/]0(?:[T ]0:0(?::0(?:[.,]0)?)?(?:Z|[+-]0(?::0)?)?)?(?!\w)
   |\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\ )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\ +0\ 0:0:0(?:\ [A-Z]{3,4})?(?:\ 0)?\b)
|(?P<ip>/?(?<![\w.])0\.0\.0\.0(?::0)?(?![\w.]*\w))
|(?P<octets>(?<![\w:])(?:[0-9A-Fa-f]{1,4}::?){3,}[0-9A-Fa-f]{1,4}(?![\w:]))
|(?P<host>(?<![\w./@-])(?:[a-zA-Z0-9\-_]+\.){1,}[a-zA-Z][\w\-]*:0\b)
|(?P<mail>\b[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+\b)
|(?P<quoted>(?<=\w=)"[^"]*")
|(?P<object>(?<=\w=)[A-Za-z]+\{[^{}\s]*\}|(?<=\w=)\[[^\[\]]*\]\[[^\[\]]*\])
|(?P<component>(?<![\w./@$-])(?:[a-zA-Z_][\w\-]*\.)+[\w$]+/[\w.$]+)
|(?P<path>(?<![\w<>*/.\])])(?:[A-Za-z]:)?(?:/[\w.+\-$@%~\#*]+){2,}/?|(?<!\w)[A-Za-z]:\\[^\s,;'"]+
   |(?<![\w<>*/.\])])\.{0,2}/[A-Za-z][\w.\-]*\w(?=[\s,;:)]|$))
|(?P<value>(?<=[\w\])]=)[^\s,;()\[\]{}<>&=]+(?=[\s,;)\]}&]|$))
|(?P<dotted>(?<![\w./@$-])(?:[a-zA-Z0-9_][\w\-]*\.){2,}[a-zA-Z]\w+(?![\w./$(:]))
|(?P<duration><?\b0(?:\.0)?\ ?(?:[num]?s(?:ec(?:ond)?s?)?|milliseconds?|min(?:ute)?s?|hours?|[KMGT]i?B|bytes?)\b(?=[\s,;.)\]]|$))
|(?P<truth>(?<![\w.])(?:true|false|True|False|null)(?![\w.]))
|(?P<clock>\b0:0(?::0(?:[.,]0)?)?\b)
|(?P<letters>\b(?:[a-f]{8}|[a-f]{16})\b)
|(?P<name>(?<=\bfor\ user\ )\w+|(?<=\bfor\ )\w+(?=\ from\ 0))
|(?P<number>(?<![\w.])[-+]?0(?:[.,]0)*%?(?![\w]))
""",
    re.X,
)
_UNIT = re.compile(r"^<?[\d.]+( ?)(.*)$")
_WORD = re.compile(r"(?!(?i:true|false|null|none|yes|no)$)[A-Za-z_]+(?:\.[A-Za-z_]+)?")
_CLASS = re.compile(r"\.[A-Z][a-z][A-Za-z$]*$")
_DIGIT = re.compile(r"\d")
_KNOWN = re.compile(
    r"^[\W_]*(?:ssh\d|sha\d+|md5|ipv\d|http/\d\.\d|log4j|utf-?\d+|x0(?:_0)?|s3|ec2|jk2_init|l[1-3]|ext[2-4]"
    r"|oauth2|h2|p2p|base0)\b[\W_]*(?:\(\))?[\W_]*$",
    re.I,
)
_BOUND = re.compile(r"([=:,\[\](){};'\"|]+)")
_ENDING = re.compile(r"^(.*?[^.!?])([.!?]+)$", re.S)
_PREFIXED = re.compile(r"^([A-Za-z]*(?:[#.]+|-))[0\0](?:\.0)*$")
_NAMED = re.compile(r"^(?:[A-Za-z]+\d|(?=.{5})[A-Za-z]+\d[A-Za-z]+)$")
_HELD = "\0"  # a variable
_KEPT = 0xE000  # and onwards: a variable whose text may turn out to be constant
_KEPT_AT = re.compile("[\ue000-\uf8ff]")


@dataclass(frozen=True, slots=True)
class Constant:
    """What stands where grouping sees a variable, at one token.

    Attributes:
        at: index of the token.
        text: the whole token as it would be shown.
        habit: a value of `key=value`: believed to be constant only after many lines.
    """

    at: int
    text: str
    habit: bool


def tokens(message: str) -> tuple[Tokens, tuple[Constant, ...]]:
    """The tokens of a message (a skeleton without its header), and its constants. About 10 microseconds.

    >>> tokens("took 0 ms for /var/lib/x from 0.0.0.0:0")[0]
    ('took', '<*> ms', 'for', '<*>', 'from', '<*>')
    """
    kept: list[tuple[str, bool]] = []

    def masked(match: re.Match[str]) -> str:
        kind, text = match.lastgroup, match.group()
        if kind == "duration":
            space, unit = _UNIT.match(text).groups()
            if not (unit.startswith(("sec", "byte")) or unit.endswith("B")):
                return _HELD + space + unit
            if text[0] == "<":
                return _HELD
            kept.append((WILD + space + unit, False))
        elif kind == "quoted":
            return f'"{_HELD}"'
        elif kind == "value" and _WORD.fullmatch(text):
            kept.append((text, True))
        elif kind == "dotted" and _CLASS.search(text):
            kept.append((text, False))
        else:
            return _HELD
        return chr(min(_KEPT + len(kept) - 1, 0xF8FF))

    out: list[str] = []
    shown: list[str] = []
    habits: list[bool] = []
    for piece in _MASKS.sub(masked, message).split():
        token = _wild(piece)
        plain, text, habit = token, token, False
        for mark in _KEPT_AT.findall(token):
            value, weak = kept[ord(mark) - _KEPT]
            plain, text, habit = plain.replace(mark, WILD), text.replace(mark, value), habit or weak
        if plain == WILD and out and out[-1] == WILD:
            shown[-1] += " " + text
            habits[-1] |= habit
            continue
        out.append(plain)
        shown.append(text)
        habits.append(habit)
    constants = tuple(
        Constant(k, shown[k], habits[k]) for k in range(len(out)) if shown[k] != out[k]
    )
    return tuple(out), constants


def _wild(token: str) -> str:
    """Any piece of a token with a digit is a variable; keys and punctuation stay."""
    if token in ("()", "[]"):
        return f"{token[0]}{WILD}{token[1]}"
    if _HELD not in token and (not _DIGIT.search(token) or _KNOWN.match(token)):
        return token
    ending = _ENDING.match(token)
    token, end = ending.groups() if ending else (token, "")
    return "".join(part if k % 2 else _piece(part) for k, part in enumerate(_BOUND.split(token))) + end


def _piece(part: str) -> str:
    if part == _HELD:
        return WILD
    if _HELD not in part and (not _DIGIT.search(part) or _NAMED.match(part)):
        return part
    prefixed = _PREFIXED.match(part)
    return prefixed.group(1) + WILD if prefixed else WILD
