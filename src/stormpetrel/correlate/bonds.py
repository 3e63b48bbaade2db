"""Rules of people about which entities belong together, as the grouping asks them."""

from __future__ import annotations

from collections.abc import Container, Iterable

from stormpetrel.model.bond import Bond, BondKind


class Bonds:
    """Looks up rules by root entity. Immutable; O(1) to O(rules of the entity)."""

    def __init__(self, bonds: Iterable[Bond] = ()) -> None:
        self._together: dict[str, list[str]] = {}
        self._apart: dict[str, list[str]] = {}
        for bond in bonds:
            pairs = self._together if bond.kind is BondKind.TOGETHER else self._apart
            for one, other in ((bond.left, bond.right), (bond.right, bond.left)):
                pairs.setdefault(one, []).append(other)

    def near(self, root: str) -> Iterable[str]:
        """The roots that belong to this one."""
        return self._together.get(root, ())

    def parted(self, root: str, roots: Container[str]) -> bool:
        """Whether a root does not belong to one of these, unless it is itself among them."""
        if root in roots:
            return False
        return any(other in roots for other in self._apart.get(root, ()))
