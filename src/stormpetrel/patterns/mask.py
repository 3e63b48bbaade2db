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
|(?P<ip>/?(?<![\w.])(?:::ffff:)?0\.0\.0\.0(?::0)?(?![\w.]*\w))
|(?P<octets>(?<![\w:])(?:[0-9A-Fa-f]{1,4}::?){3,}[0-9A-Fa-f]{1,4}(?![\w:]))
|(?P<host>(?<![\w./@-])(?:[a-zA-Z0-9\-_]+\.){1,}[a-zA-Z][\w\-]*:0\b)
|(?P<mail>\b[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+\b)
|(?P<quoted>(?<=\w=)"[^"]*")
|(?P<object>(?<=\w=)[A-Za-z]+\{[^{}\s]*\}|(?<=\w=)\[[^\[\]]*\]\[[^\[\]]*\])
|(?P<component>(?<![\w./@$-])(?:[a-zA-Z_][\w\-]*\.)+[\w$]+/[\w.$]+)
|(?P<path>(?<![\w<>*/.\])])(?:[A-Za-z]:)?(?:/[\w.+\-$@%~\#*]+){2,}/?|(?<!\w)[A-Za-z]:\\[^\s,;'"]+
   |(?<![\w<>*/.\])])\.{0,2}/[A-Za-z][\w.\-]*\w(?=[\s,;:)]|$))
|(?P<value>(?<=[\w\])]=)[^\s,;()\[\]{}<>&=]*[^\s,;()\[\]{}<>&=:.](?=[:.]?(?:[\s,;)\]}&]|$)))
|(?P<dotted>(?<![\w./@$-])(?:[a-zA-Z0-9_][\w\-]*\.){2,}[a-zA-Z]\w+(?![\w./$(:]))
|(?P<duration><?\b0(?:\.0)?\ ?(?:[num]?s(?:ec(?:ond)?s?)?|milliseconds?|min(?:ute)?s?|hours?|[KMGT]?i?B|bytes?)\b(?=[\s,;.)\]]|$))
|(?P<truth>(?<![\w.])(?:true|false|True|False|null)(?![\w.]))
|(?P<clock>\b0:0(?::0(?:[.,]0)?)?\b)
|(?P<letters>\b(?:[a-f]{8}|[a-f]{16})\b)
|(?P<name>(?<=\bfor\ user\ )\w+|(?<=\bfor\ )\w+(?=\ from\ [0:]))
|(?P<number>(?<![\w.])[-+]?0(?:[.,]0)*%?(?![\w]))
""",
    re.X,
)
_WORD = re.compile(r"(?!(?i:true|false|null|none|yes|no)$)[A-Za-z_]+(?:\.[A-Za-z_]+)?")
_CLASS = re.compile(r"\.[A-Z][a-z][A-Za-z$]*$")
_DIGIT = re.compile(r"\d")
_KNOWN = re.compile(
    r"^[\W_]*(?:ssh\d|sha\d+|md5|ipv\d|http/\d\.\d|log4j|utf-?\d+|x00(?:_0)?|i00|s3|ec2|jk2_init|l[1-3]|ext[2-4]"
    r"|oauth2|h2|p2p|base00)\b[\W_]*(?:\(\))?[\W_]*$",
    re.I,
)
_BOUND = re.compile(r"([=:,\[\](){};'\"|<>]+)")
_ENDING = re.compile(r"^(.*?[^.!?])([.!?]+)$", re.S)
_PREFIXED = re.compile(r"^([A-Za-z]*(?:[#.]+|-))[0\0](?:\.0)*$")
_NAMED = re.compile(r"^([A-Za-z]+)\d{1,2}$")  # eth0; eth00 when there were more digits than one
_INNER = re.compile(r"^(?=.{5})[A-Za-z]+\d[A-Za-z]+$")
_CODE = re.compile(r"^[A-Za-z_]{3}\w*$")
_HELD = "\0"  # a variable
_KEPT = 0xE000  # and onwards: a variable whose text may turn out to be constant
_MOST_KEPT = 6000
_RESERVED = re.compile("[\0\ue000-\uf8ff]")
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
    """The tokens of a message (a skeleton without its header), and its constants. Some 15 microseconds.

    >>> tokens("took 0 ms for /var/lib/x from 0.0.0.0:0")[0]
    ('took', '<*> ms', 'for', '<*>', 'from', '<*>')
    >>> tokens("eth1: tty=ssh")
    (('eth<*>:', 'tty=<*>'), (Constant(at=0, text='eth1:', habit=False), Constant(at=1, text='tty=ssh', habit=True)))
    """
    if _RESERVED.search(message):
        message = _RESERVED.sub("?", message)
    masking = _Masking()
    out: list[str] = []
    shown: list[str] = []
    habits: list[bool] = []
    for word in _MASKS.sub(masking.masked, message).split():
        plain, text, habit = masking.token(word)
        if plain == WILD and out and out[-1] == WILD:  # lists of any length are one variable
            shown[-1] += " " + text
            habits[-1] |= habit
            continue
        out.append(plain)
        shown.append(text)
        habits.append(habit)
    return tuple(out), tuple(Constant(k, shown[k], habits[k]) for k in range(len(out)) if shown[k] != out[k])


class _Masking:
    """One message on its way to tokens: remembers what may turn out to be constant."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, bool]] = []  # as grouped, as shown, whether by habit

    def keep(self, grouped: str, shown: str, habit: bool = False) -> str:
        """A mark that stands for both; from some thousand on, only what is grouped."""
        if len(self.kept) >= _MOST_KEPT:
            return _HELD if grouped == WILD else grouped
        self.kept.append((grouped, shown, habit))
        return chr(_KEPT + len(self.kept) - 1)

    def masked(self, match: re.Match[str]) -> str:
        """What a variable by its look becomes."""
        kind, text = match.lastgroup, match.group()
        if kind == "duration":
            unit = text.lstrip("<0.")
            name = unit.strip()
            if not (name.startswith(("sec", "byte")) or name.endswith("B")):
                return _HELD + unit
            return _HELD if text[0] == "<" else self.keep(WILD, WILD + unit)
        if kind == "quoted":
            return f'"{_HELD}"'
        if kind == "value" and _WORD.fullmatch(text):
            return self.keep(WILD, text, habit=True)
        if kind == "dotted" and _CLASS.search(text):
            return self.keep(WILD, text)
        return _HELD

    def token(self, word: str) -> tuple[str, str, bool]:
        """A word as grouped, as shown, and whether what is shown is a habit."""
        marked = self._wild(word)
        plain, text, habit = marked, marked, False
        if not marked.isascii():
            for mark in _KEPT_AT.findall(marked):
                grouped, shown, weak = self.kept[ord(mark) - _KEPT]
                plain, text, habit = plain.replace(mark, grouped), text.replace(mark, shown), habit or weak
        return plain, text, habit

    def _wild(self, token: str) -> str:
        """Any piece of a token with a digit is a variable; keys and punctuation stay."""
        if token in ("()", "[]"):
            return f"{token[0]}{WILD}{token[1]}"
        if _HELD not in token and (not _DIGIT.search(token) or _KNOWN.match(token)):
            return token
        ending = _ENDING.match(token)
        token, end = ending.groups() if ending else (token, "")
        parts = _BOUND.split(token)
        for k in range(0, len(parts), 2):
            parts[k] = self._piece(parts[k], parts[k + 1] if k + 1 < len(parts) else "")
        return "".join(parts) + end

    def _piece(self, part: str, after: str) -> str:
        if part == _HELD:
            return WILD
        if _HELD not in part:
            if not _DIGIT.search(part):
                return part
            if after.startswith(("(", "::")) and _CODE.match(part):
                return part.replace("00", WILD)
            if _INNER.match(part):
                return part
            named = _NAMED.match(part)
            if named:
                return self.keep(named.group(1) + WILD, part if part[-2:] != "00" else named.group(1) + WILD)
        prefixed = _PREFIXED.match(part)
        return prefixed.group(1) + WILD if prefixed else WILD
