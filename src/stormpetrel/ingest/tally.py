"""Counting what a decoder refused, by reason."""

from __future__ import annotations

from stormpetrel.model.push import Rejected


class RejectTally:
    """Rows refused by reason, with the first example of each. Reasons come from a small fixed set."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, reason: str, rows: int, example: str = "") -> None:
        """Count rows; none are not worth a line."""
        if rows:
            self._rows[reason] = self._rows.get(reason, 0) + rows
            self._examples.setdefault(reason, example)

    @property
    def rows(self) -> int:
        """All refused rows."""
        return sum(self._rows.values())

    def rejected(self) -> tuple[Rejected, ...]:
        """The counts, ordered by reason."""
        return tuple(Rejected(r, self._rows[r], self._examples[r]) for r in sorted(self._rows))

    def text(self) -> str:
        """One line for an answer to the sender, empty when nothing was refused.

        >>> tally = RejectTally()
        >>> tally.add("no_name", 2, "{}")
        >>> tally.text()
        'no_name: 2, such as {}'
        """
        return "; ".join(
            f"{r.reason}: {r.rows}" + (f", such as {r.example}" if r.example else "") for r in self.rejected()
        )
