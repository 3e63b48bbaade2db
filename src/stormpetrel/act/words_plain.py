"""What a shell, a database or a person would read in a text that was written to be read otherwise.

`readings` gives several plain forms of one text: look-alike letters, invisible marks, quotes, escapes,
continued lines, comments and encodings taken away. It works on texts that are to be judged by their words,
it never runs anything, and it fails towards too much: a form that nobody meant does no harm here. Cost:
linear in the text, times a small constant; encodings are opened to a depth of two.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

# Letters that look like Latin ones and are not folded into them by Unicode's own compatibility forms.
_LOOK_ALIKE = str.maketrans(
    "аеорсухіјѕһԁԛԝѵкмтвнгпАВЕКМНОРСТУХІЈЅαβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧɑɡıℓᴅᴍᴏᴘᴛᴜᴇᴀꜰ∕⁄；｜＞‐‑‒–—−∣ⅼ",  # noqa: RUF001 they are the point
    "aeopcyxijshdqwvkmtbhrnABEKMHOPCTYXIJSabeiknoptuxABEZHIKMNOPTYXagildmoptueaf//;|>------|l",
)
_INVISIBLE = {"Cf", "Mn", "Me", "Co", "Cn", "Cs"}
_IFS = re.compile(r"\$ifs\$?[0-9@*]?|\$\{ifs[^}\s]{0,20}\}", re.IGNORECASE)
_NOTHING = re.compile(r"\$\{?[@*!#?-]\}?|\$\{[a-z_][a-z0-9_]{0,20}:?[-+=]?\}", re.IGNORECASE)
_CONTINUED = re.compile(r"\\\r?\n|\^\r?\n|`\r?\n")
_COMMENT = re.compile(r"/\*!?\d{0,6}(.{0,200}?)\*/", re.DOTALL)
_LINE_COMMENT = re.compile(r"(?:^|\s)--\s[^\n]{0,500}")
_BRACES = re.compile(r"\{([^{}\s]{1,100},[^{}\s]{0,100})\}")
_HEX = re.compile(r"\\x([0-9a-f]{1,2})", re.IGNORECASE)
_OCTAL = re.compile(r"\\0?([0-7]{2,3})")
_UNICODE = re.compile(r"\\u\{?([0-9a-f]{1,6})\}?", re.IGNORECASE)
_PERCENT = re.compile(r"%([0-9a-f]{2})", re.IGNORECASE)
_ENTITY = re.compile(r"&#(x[0-9a-f]{1,6}|[0-9]{1,7});", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{10,}={0,2}")
_HEX_RUN = re.compile(r"(?:[0-9a-fA-F]{2}){4,}")
_MOST_BLOBS = 64
_DEPTH = 2


def _character(number: int) -> str:
    return chr(number) if number < 0x110000 else " "


def _unescaped(text: str) -> str:
    """Escapes of shells, programs, addresses and pages as the characters they stand for."""
    text = _HEX.sub(lambda m: _character(int(m[1], 16)), text)
    text = _UNICODE.sub(lambda m: _character(int(m[1], 16)), text)
    text = _OCTAL.sub(lambda m: _character(int(m[1], 8)), text)
    text = _PERCENT.sub(lambda m: _character(int(m[1], 16)), text)
    return _ENTITY.sub(lambda m: _character(int(m[1][1:], 16) if m[1][0] in "xX" else int(m[1])), text)


def _folded(text: str) -> str:
    """Look-alikes as what they look like, invisible marks gone, all kinds of space as one kind."""
    text = unicodedata.normalize("NFKD", text).translate(_LOOK_ALIKE)
    kept = []
    for one in text:
        kind = unicodedata.category(one)
        if kind in _INVISIBLE:
            continue
        kept.append(" " if kind in ("Zs", "Zl", "Zp") or one in "\t\v\f\x00" else one)
    return "".join(kept)


def _unquoted(text: str) -> str:
    """Without what a shell takes away before it reads the words."""
    text = _CONTINUED.sub("", text)
    text = _IFS.sub(" ", text)
    text = _NOTHING.sub("", text)
    text = _BRACES.sub(lambda m: " " + m[1].replace(",", " ") + " ", text)
    return re.sub(r"\$?['\"]|[\\^`]", "", text)


def _spaced(text: str) -> str:
    return re.sub(r"[ \t\r\f\v]+", " ", text).strip().casefold()


def _opened(text: str) -> list[str]:
    """What stands in it in base64 or hexadecimal, where that is text."""
    found = []
    for pattern, decode in ((_BASE64, _from_base64), (_HEX_RUN, _from_hex)):
        for match in list(pattern.finditer(text))[:_MOST_BLOBS]:
            plain = decode(match[0])
            if plain and plain.isascii() and all(one.isprintable() or one.isspace() for one in plain):
                found.append(plain)
    return found


def _from_base64(blob: str) -> str:
    blob = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(blob + "=" * (-len(blob) % 4))
        return raw.decode("utf-16-le" if raw[1::2].count(0) * 3 > len(raw) else "utf-8")
    except (binascii.Error, ValueError):
        return ""


def _from_hex(blob: str) -> str:
    return bytes.fromhex(blob).decode("utf-8", "replace")


def readings(text: str, depth: int = _DEPTH) -> set[str]:
    """Every plain form of a text, in lower case, with single spaces.

    >>> "rm -rf /" in readings("r''m${IFS}-rf\\\\\\n /")
    True
    """
    folded = _folded(text)
    escaped = _folded(_unescaped(folded))
    forms = {folded, escaped, _unquoted(folded), _unquoted(escaped), _folded(_unescaped(_unquoted(folded)))}
    forms |= {_COMMENT.sub(kept, one) for one in forms for kept in (" ", "", r" \1 ")}
    forms |= {_LINE_COMMENT.sub(" ", one) for one in forms} | {re.sub(r"[{},]", " ", one) for one in forms}
    found = {_spaced(one) for one in forms}
    found |= {" ".join(one.split()) for one in found}
    if depth > 0:
        for plain in [*_opened(text), *_opened(escaped), *_opened(_unquoted(escaped)), *_opened(text[::-1])]:
            found |= readings(plain, depth - 1)
    if "rev" in folded.casefold():
        found.add(_spaced(folded[::-1]))
    return found
