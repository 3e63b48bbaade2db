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


def written_out(text: str) -> str:
    """The text with every unseen character written out as `⟨U+202E⟩`.

    >>> written_out("a\\u202eb"), written_out("plain")
    ('a⟨U+202E⟩b', 'plain')
    """
    if not _UNSEEN.search(text):
        return text
    return _UNSEEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", text)
