"""Compiles, and keeps, what most tests need: `python -m tests.compiled` before several processes start.

Each of them would otherwise compile the same functions at the same time, and servers that tests start would
come up late. Whatever is not met here is compiled by the first test that needs it.
"""

from __future__ import annotations

from tests.app.estate import START
from tests.app.estate_whole import Installation

from stormpetrel.app.ahead import EXAMPLES, decode_example
from stormpetrel.app.registry import DECODERS, load_all

# Long enough that nights are compared and jobs are looked for.
ESTATE_SECONDS = 3600.0


def main() -> None:
    """A request of each protocol, then a while of the estate through every stage."""
    makers = load_all(DECODERS)
    for example in EXAMPLES:
        decode_example(example, makers[example.protocol])
    Installation(1, START).live(ESTATE_SECONDS)


if __name__ == "__main__":
    main()
