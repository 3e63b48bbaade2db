"""JSON bodies as senders really write them."""

from __future__ import annotations

import re
from typing import Any

import orjson

from stormpetrel.errors import DecodeError

# Escaped backslashes and whole pairs are skipped, so that what is left in the group is half a pair.
_SURROGATE = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def parse_json(body: bytes, what: str = "the body") -> Any:
    r"""The value of a JSON text; halves of surrogate pairs and bytes that are not UTF-8 become U+FFFD.

    One bad character in one log line is no reason to refuse the lines beside it. At most 1024 levels deep.

    Raises:
        DecodeError: not JSON, naming `what`.

    >>> parse_json(b'["\\ud800", "a\xff"]') == ["\ufffd", "a\ufffd"]
    True
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace")
    mended = _SURROGATE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    try:
        return orjson.loads(mended)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"{what} is not JSON: {error}") from None
