"""Text from strangers, made harmless before a person reads it: on a page, or in a terminal."""

from __future__ import annotations

import re

# Control characters (a terminal obeys them), bidirectional and invisible formatting, halves of surrogate
# pairs: they can reorder or hide what stands beside them (Unicode TR 36, CVE-2021-42574). Newline and tab
# stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def storable(text: str) -> str:
    """The text without what a database refuses: NUL, and halves of surrogate pairs.

    >>> storable("a\\0b\\ud800")
    'ab'
    """
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def written_out(text: str) -> str:
    """The text with every unseen character written out as `⟨U+202E⟩`.

    >>> written_out("a\\u202eb"), written_out("plain")
    ('a⟨U+202E⟩b', 'plain')
    """
    if not _UNSEEN.search(text):
        return text
    return _UNSEEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", text)


# What programs that show messages make links, mentions, markup or hidden text of, and what stands there
# instead: guillemets, round brackets, and signs that look much the same and mean nothing to them.
_MARKS = str.maketrans(
    {
        "<": "\u2039", ">": "\u203a", "[": "(", "]": ")", "{": "(", "}": ")", "`": "\u00b4", "*": "\u2217",
        "|": "\u00a6", "~": "\u223c", "\\": "\u2216", "\u3002": ".", "\uff0e": ".", "\uff61": ".",
        "\uff20": "@",
    }
)  # fmt: skip
_SPACE = re.compile(r"\s+")
_SCHEME = re.compile(
    r"\b(https?|ftp|file|data|javascript|mailto|tel|sms|callto|slack|magnet):(?=\S)", re.IGNORECASE
)
_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_])")


def harmless(text: str, most: int = 500) -> str:
    r"""Text of strangers for a message in mail or chat: one line, in which nothing is a link or a mention.

    Chat and mail programs make links of addresses, host names and schemes, mentions of `@`, and markup of
    brackets, stars and bars: those are written so that a person still reads them and no program follows them.

    >>> harmless("see https://evil.example/x\n@channel [a](//b.c) 0.93")
    'see https[:]//evil[.]example/x (at)channel (a)(//b[.]c) 0.93'
    """
    line = _SPACE.sub(" ", written_out(text[: 4 * most])).strip().translate(_MARKS)
    line = line.replace("@", "(at)").replace("://", "[:]//")
    line = _SCHEME.sub(r"\1[:]", line)
    line = _DOT.sub("[.]", line)
    if line.startswith(("#", "-", "+", "=")):
        line = f"·{line}"
    return line if len(line) <= most else line[: most - 1] + "…"
