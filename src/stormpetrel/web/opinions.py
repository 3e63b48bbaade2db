"""The opinions that people may have of a finding, as the pages say them."""

from __future__ import annotations

from stormpetrel.model.feedback import Opinion

# value, word, what it does
OPINIONS: tuple[tuple[Opinion, str, str], ...] = (
    (Opinion.USEFUL, "Useful", "twice as common already counts as strange, on this series, for some weeks"),
    (Opinion.NOT_USEFUL, "Not useful", "it has to be four times rarer to be told, for some weeks"),
    (Opinion.EXPECTED, "Expected", "it has to be sixteen times rarer to be told, for some weeks"),
)
