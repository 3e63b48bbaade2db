"""From the skeleton of a message to its tokens, with `<*>` for what is variable in any log.

Numbers, addresses, identifiers, paths, host names, booleans, durations, sizes and the values of `key=value`
are variables by their look (the rules of Khan et al., ICSE 2022). What only varies, such as user names, is
left to evidence: see `groups`.

Some variables are only variables by habit: `tty=ssh` never says anything but `ssh`, `3 seconds` is always
in seconds, a class name is always the same. Grouping sees `<*>`; the text that people read keeps the
constant for as long as it is one. These are the *constants* of a message.

Two passes: over the message for what goes across spaces, then word by word, with a memory, for the words of
logs are few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

WILD = "<*>"
Tokens = tuple[str, ...]

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_AFTER = r"(?=[\s,;.)\]]|$)"
# Each alternative begins with a character, not with a condition: so the search skips everything else quickly.
_PHRASES = re.compile(
    rf"""
 0(?<![\w.]0)(?:
    (?:\.0)?\ (?:bytes|[KMGT]i?B)\ \(0(?:\.0)?\ [KMGT]i?B\)           # 0 bytes (0.0 KB)
   |(?:\.0)?\ (?P<unit>s(?:ec(?:ond)?s?)?|bytes?|[KMGT]?i?B)\b{_AFTER}   # 0 seconds
   |[-/]0[-/]0\ 0:0(?::0(?:[.,]0)?)?(?:Z|[+-]0(?::0)?)?(?!\w)           # 0-0-0 0:0:0.0
 )
|<0(?:\.0)?\ s(?:ec(?:ond)?s?)?\b{_AFTER}                               # <0 sec
|{_DAY},?\ {_MONTH}\ +0\ 0:0:0(?:\ [A-Z]{{3,4}})?(?:\ 0)?\b
|{_MONTH}\ +0\ 0:0:0(?:\ [A-Z]{{3,4}})?(?:\ 0)?\b
|=(?<=\w=)(?:"(?P<quoted>[^"]*)"|\[[^\[\]]*\]\[[^\[\]]*\])              # ="a b", =[0,0][0,0]
|for\ (?<!\wfor\ )(?:(?P<user>user)\ \w+|\w+(?=\ from\ [0:]))  # for user root, for root from 0.0.0.0
""",
    re.X,
)
_MASKS = re.compile(
    r"""
 (?P<url>\b[a-z][a-z0-9+.\-]{1,15}://[^\s,;'"<>)\]]+)
|(?P<time>\b0[-/]0[-/]0(?:T0:0(?::0(?:[.,]0)?)?(?:Z|[+-]0(?::0)?)?)?(?!\w))
|(?P<ip>/?(?<![\w.])(?:::ffff:)?0\.0\.0\.0(?::0)?(?![\w.]*\w))
|(?P<octets>(?<![\w:])(?:[0-9A-Fa-f]{1,4}::?){3,}[0-9A-Fa-f]{1,4}(?![\w:]))
|(?P<host>(?<![\w./@-])(?:[a-zA-Z0-9\-_]+\.){1,}(?:[a-z][a-z0-9\-]*|[A-Z][A-Z0-9\-]*):0\b)
|(?P<mail>\b[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+\b)
|(?P<object>(?<=\w=)[A-Za-z]+\{[^{}\s]*\})
|(?P<component>(?<![\w./@$-])(?:[a-zA-Z_][\w\-]*\.)+[\w$]+/[\w.$]+)
|(?P<path>(?<![\w<>*/.\])])(?:[A-Za-z]:)?(?:/[\w.+\-$@%~\#*]+){2,}/?|(?<!\w)[A-Za-z]:\\[^\s,;'"]+
   |(?<![\w<>*/.\])])\.{0,2}/[A-Za-z][\w.\-]*\w(?=[\s,;:)]|$))
|(?P<value>(?<=[\w\])]=)(?!")[^\s,;()\[\]{}<>&=]*[^\s,;()\[\]{}<>&=:.](?=[:.]?(?:[\s,;)\]}&]|$)))
|(?P<dotted>(?<![\w./@$-])(?:[a-zA-Z0-9_][\w\-]*\.){2,}[a-zA-Z]\w+(?![\w./$(:]))
|(?P<duration><?\b0(?:\.0)?(?:[num]?s(?:ec(?:ond)?s?)?|min(?:ute)?s?|h(?:ours?)?|[KMGT]?i?B|bytes?)\b(?=[,;.)\]]|$))
|(?P<truth>(?<![\w.])(?:true|false|True|False|null)(?![\w.]))
|(?P<clock>\b0:0(?::0(?:[.,]0)?)?\b)
|(?P<letters>\b(?:[a-f]{8}|[a-f]{16})\b)
|(?P<number>(?<![\w.])[-+]?0(?:[.,]0)*%?(?![\w]))
""",
    re.X,
)
_SAYS_NOTHING = re.compile("true|false|True|False|null|[a-f]{8}|[a-f]{16}")
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
_SPACE = "\ue000"  # between a variable and its unit: `0 seconds` is one word
_KEPT = 0xE001  # and onwards: a variable whose text may turn out to be constant
_MOST_KEPT = 6000  # in one word
_IN_UNITS = re.compile("\0\ue000([A-Za-z]+)")
_RESERVED = re.compile("[\0\ue000-\uf8ff]")
_KEPT_AT = re.compile("[\ue001-\uf8ff]")


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
    """The tokens of a message (a skeleton without its header), and its constants. Some 10 microseconds.

    >>> tokens("took 0 ms for /var/lib/x from 0.0.0.0:0")[0]
    ('took', '<*>', 'ms', 'for', '<*>', 'from', '<*>')
    >>> tokens("eth1: tty=ssh")[1]
    (Constant(at=0, text='eth1:', habit=False), Constant(at=1, text='tty=ssh', habit=True))
    """
    if not message.isascii() or _HELD in message:
        message = _RESERVED.sub("?", message)
    out: list[str] = []
    constants: dict[int, tuple[str, bool]] = {}
    for word in _PHRASES.sub(_phrase, message).split():
        if word.isalpha():
            plain = shown = WILD if _SAYS_NOTHING.fullmatch(word) else word
            habit = False
        else:
            plain, shown, habit = _token(word)
        if plain == WILD and out and out[-1] == WILD:  # lists of any length are one variable
            before, weak = constants.get(len(out) - 1, (WILD, False))
            constants[len(out) - 1] = (f"{before} {shown}", weak or habit)
            continue
        if shown != plain:
            constants[len(out)] = (shown, habit)
        out.append(plain)
    return tuple(out), tuple(Constant(at, *said) for at, said in constants.items()) if constants else ()


def _phrase(match: re.Match[str]) -> str:
    kind, text = match.lastgroup, match.group()
    if kind == "unit":
        return f"{_HELD}{_SPACE}{match.group(kind)}"
    if kind == "quoted":
        return f'="{_HELD}"'
    if text[0] == "=":
        return f"={_HELD}"
    if text[0] == "f":
        return f"for user {_HELD}" if kind == "user" else f"for {_HELD}"
    return _HELD


@lru_cache(16_384)
def _token(word: str) -> tuple[str, str, bool]:
    """A word as grouped, as shown, and whether what is shown is a habit."""
    return _Masking().token(word)


class _Masking:
    """One word on its way to a token: remembers what may turn out to be constant."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, bool]] = []  # as grouped, as shown, whether by habit

    def token(self, word: str) -> tuple[str, str, bool]:
        """See `_token`."""
        if _SPACE in word:
            word = _IN_UNITS.sub(lambda match: self._keep(WILD, f"{WILD} {match.group(1)}"), word)
        plain = text = self._wild(_MASKS.sub(self._masked, word))
        habit = False
        if self.kept:
            for mark in _KEPT_AT.findall(plain):
                grouped, shown, weak = self.kept[ord(mark) - _KEPT]
                plain, text, habit = plain.replace(mark, grouped), text.replace(mark, shown), habit or weak
        return plain, text, habit

    def _keep(self, grouped: str, shown: str, habit: bool = False) -> str:
        """A mark that stands for both; when there are too many, what is grouped."""
        if len(self.kept) >= _MOST_KEPT:
            return _HELD if grouped == WILD else grouped
        self.kept.append((grouped, shown, habit))
        return chr(_KEPT + len(self.kept) - 1)

    def _masked(self, match: re.Match[str]) -> str:
        """What a variable by its look becomes."""
        kind, text = match.lastgroup, match.group()
        if kind == "duration":
            unit = text.lstrip("<0.")
            if not (unit.startswith(("sec", "byte")) or unit.endswith("B")):
                return _HELD
            return _HELD if text[0] == "<" else self._keep(WILD, WILD + unit)
        if kind == "value" and _WORD.fullmatch(text):
            return self._keep(WILD, text, habit=True)
        if kind == "dotted" and _CLASS.search(text):
            return self._keep(WILD, text)
        return _HELD

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
            if not _DIGIT.search(part) or _INNER.match(part):
                return part
            if after.startswith(("(", "::")) and _CODE.match(part):
                return part.replace("00", WILD)
            named = _NAMED.match(part)
            if named:
                return self._keep(named.group(1) + WILD, part if part[-2:] != "00" else named.group(1) + WILD)
        prefixed = _PREFIXED.match(part)
        return prefixed.group(1) + WILD if prefixed else WILD
