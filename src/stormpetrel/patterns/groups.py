"""Groups of one source: which messages are one pattern. Looks decide first, then evidence.

A message whose tokens are known belongs where it belonged. Only a *new* tuple of tokens can change anything:
it joins a group that has a variable at the one place where they differ; or its siblings, that differ from
it in this one place, are now so many that the place is a variable, and all become one. Where in doubt, they
stay apart. A place that never stops inventing tokens, and seldom repeats one, becomes a variable whatever
stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stormpetrel.patterns.mask import WILD, Constant, Tokens

SIBLINGS, SIBLINGS_FIRST = 6, 24  # evidence that a place varies, and that a first word does
CONSTANT_SHARE = 0.3  # of the tokens must stay constant for siblings to be siblings
HABIT_LINES = 10  # so many lines with one value of `key=value` make it a constant of the text
INVENTED, INVENTED_ANYWHERE = 64, 512  # tokens of a place, with a given word before it and with any
RARE = 2  # lines; a group with more is not an invention
RARE_SHARE = 0.8
_SLOTS = {
    **dict.fromkeys(("user", "username", "host", "hostname", "node", "domain", "server", "service"), 2),
    **dict.fromkeys(("by", "from", "named"), 4),
}  # words before a name, and how many names prove that it is one

Place = tuple[int, int, str]  # length of the tuple, index, token before ("" = whichever)


class Group:
    """Messages that are one pattern.

    Attributes:
        row: its row in the shared state of the miner.
        key: the tokens; grows more general with evidence.
        constants: what stands at variables that never varied; None before the first line.
        root: the group it was merged into; itself while it lives.
        sample: the first line, as it came.
        gone: it was evicted.
    """

    __slots__ = ("constants", "gone", "key", "root", "row", "sample")

    def __init__(self, row: int, key: Tokens) -> None:
        self.row = row
        self.key = key
        self.constants: dict[int, tuple[str, bool]] | None = None
        self.root = self
        self.sample = ""
        self.gone = False

    def text(self, lines: int) -> str:
        """The pattern as people read it, with the constants that have been proved by `lines` lines."""
        shown = list(self.key)
        for at, (text, habit) in (self.constants or {}).items():
            if not habit or lines >= HABIT_LINES:
                shown[at] = text
        return " ".join(shown) or WILD

    def said(self) -> tuple[Constant, ...]:
        """Its constants."""
        return tuple(Constant(at, text, habit) for at, (text, habit) in (self.constants or {}).items())

    def learn(self, constants: Iterable[Constant]) -> None:
        """Keep of the constants what is the same again."""
        new = {c.at: (c.text, c.habit) for c in constants}
        if self.constants is None:
            self.constants = new
        elif self.constants:
            self.constants = {at: said for at, said in self.constants.items() if new.get(at) == said}


class Groups:
    """All groups of one source. Pure: the same tuples in the same order give the same groups.

    Args:
        new_row: gives a free row of the miner's state.
        lines_of: how many lines a row has had.
        on_merge: told which groups become which, before their keys change.
        merging: false while the header is unknown: then only equal tuples are one.
    """

    def __init__(
        self,
        new_row: Callable[[], int],
        lines_of: Callable[[int], int],
        on_merge: Callable[[list[Group], Group, Tokens], None],
        merging: bool = True,
    ) -> None:
        self._new_row, self._lines_of, self._on_merge = new_row, lines_of, on_merge
        self.merging = merging
        self.keys: dict[Tokens, Group] = {}
        self.by_row: dict[int, Group] = {}
        self.siblings: dict[Tokens, list[Group]] = {}
        self.general: dict[tuple[int, str], list[Group]] = {}
        self.inventive: dict[Place, set[str]] = {}
        self.open: dict[Place, frozenset[str]] = {}

    def live(self) -> list[Group]:
        """The groups that are patterns now, oldest first."""
        return list(dict.fromkeys(group.root for group in self.keys.values() if group.root is group))

    def add(self, key: Tokens) -> Group:
        """The group of a tuple; a new tuple may make, join or merge groups. A known one costs a look-up."""
        known = self.keys.get(key)
        if known is not None:
            return root(known)
        if self.open:
            opened = self._opened(key)
            if opened != key:
                group = self.add(opened) if opened in self.keys else self._new(opened)
                self.keys[key] = group
                return root(group)
        return root(self._new(key))

    def _new(self, key: Tokens) -> Group:
        group = self._general(key) if self.merging else None
        if group is None:
            group = Group(self._new_row(), key)
            self.keys[key] = self.by_row[group.row] = group
            if self.merging:
                self._evidence(key, group)
                self._watch(key)
        else:
            self.keys[key] = group
        return group

    def _general(self, key: Tokens) -> Group | None:
        """The group that has a variable where this tuple has a word."""
        constant = [WILD not in token for token in key]
        total = sum(constant)
        for k in range(len(key)):
            if total - constant[k] >= 1 and key[k] != WILD:
                wider = (*key[:k], WILD, *key[k + 1 :])
                group = self.keys.get(wider)
                if group is not None and root(group).key == wider:
                    return root(group)
        if not key:
            return None
        for first in (key[0], WILD):
            for group in self.general.get((len(key), first), ()):
                if group.root is group and covers(group.key, key):
                    return group
        return None

    def _evidence(self, key: Tokens, group: Group) -> None:
        constant = sum(WILD not in token for token in key)
        enough = constant - 1 >= max(1.0, CONSTANT_SHARE * len(key))
        for k, token in enumerate(key):
            if not enough or token == WILD:
                continue
            wider = (*key[:k], WILD, *key[k + 1 :])
            apart = _alive((*self.siblings.get(wider, ()), group))
            self.siblings[wider] = apart
            if len(apart) >= self._needed(key, k):
                self._merge(apart, wider)
                return
        apart = _alive((*self.siblings.get(key, ()), group))
        if len(apart) > 1:
            self._merge(apart, key)

    def _needed(self, key: Tokens, k: int) -> int:
        if k == 0:
            return SIBLINGS_FIRST
        if WILD in key[k]:
            return SIBLINGS
        return _SLOTS.get(key[k - 1].lower().rstrip(":="), SIBLINGS)

    def _merge(self, groups: list[Group], key: Tokens) -> None:
        """All become the oldest, under a more general key."""
        groups = sorted(groups, key=lambda group: group.row)
        into = groups[0]
        self._on_merge(groups, into, key)
        said = [group.constants for group in groups if group.constants is not None]
        if said:
            same = {
                at: text for at, text in said[0].items() if all(other.get(at) == text for other in said[1:])
            }
            places = {at for at in same if all(one.key[at : at + 1] == key[at : at + 1] for one in groups)}
            into.constants = {at: same[at] for at in sorted(places)}
        for group in groups[1:]:
            group.root = into
        into.key = key
        self.keys[key] = into
        self.general.setdefault((len(key), key[0]), []).append(into)
        self._evidence(key, into)

    def kin(self, group: Group) -> int:
        """How many other patterns differ from it in one place only: then what it says is nearly known."""
        key = group.key
        wider = ((*key[:k], WILD, *key[k + 1 :]) for k in range(len(key)) if key[k] != WILD)
        return max((len(_alive(self.siblings.get(one, ()))) - 1 for one in wider), default=0)

    # Bounds ------------------------------------------------------------------------------------------

    def forget(self, groups: Iterable[Group]) -> None:
        """Let live groups go, with all that is known about them."""
        for group in groups:
            group.gone = True
        self.by_row = {row: one for row, one in self.by_row.items() if one.root is one and not one.gone}
        self.keys = {key: group for key, group in self.keys.items() if not root(group).gone}
        left = ((key, [one for one in apart if not root(one).gone]) for key, apart in self.siblings.items())
        self.siblings = {key: apart for key, apart in left if apart}
        there = (
            (at, [one for one in some if one.root is one and not one.gone])
            for at, some in self.general.items()
        )
        self.general = {at: some for at, some in there if some}

    def shorten(self) -> None:
        """Keep one tuple a group; the others will find it again."""
        self.keys = {group.key: group for group in self.live()}

    def bound(self, siblings: int, places: int) -> None:
        """Begin anew with evidence that has grown too much."""
        if len(self.siblings) > siblings:
            self.siblings = {}
        if len(self.inventive) > places:  # those that invented least begin anew
            most = sorted(self.inventive.items(), key=lambda pair: (-len(pair[1]), pair[0]))
            self.inventive = dict(most[: places // 2])
        if len(self.open) > places:
            self.open = {}

    # Places that never stop inventing ----------------------------------------------------------------

    def _watch(self, key: Tokens) -> None:
        before = "^"
        for k, token in enumerate(key):
            if token != WILD:
                for place, most in (
                    ((len(key), k, before), INVENTED),
                    ((len(key), k, ""), INVENTED_ANYWHERE),
                ):
                    seen = self.inventive.setdefault(place, set())
                    seen.add(token)
                    if len(seen) >= (INVENTED_ANYWHERE if k == 0 else most):
                        self._open_if_rare(place)
                        return
            before = token

    def _open_if_rare(self, place: Place) -> None:
        """Make a place a variable if most of what stands there is rare; else start counting anew."""
        del self.inventive[place]
        length, k, before = place
        there = [
            group
            for group in self.live()
            if len(group.key) == length
            and group.key[k] != WILD
            and before in ("", group.key[k - 1] if k else "^")
        ]
        often = [group for group in there if self._lines_of(group.row) > RARE]
        if len(often) > (1 - RARE_SHARE) * len(there):
            return
        self.open[place] = frozenset(group.key[k] for group in often)
        for group in there:
            if group.root is not group:
                continue
            wider = self._opened(group.key)
            if wider != group.key:
                known = self.keys.get(wider)
                self._merge([group] if known is None else _alive((known, group)), wider)

    def _opened(self, key: Tokens) -> Tokens:
        """The tuple with variables at all places that have been opened; runs of variables become one."""
        out: list[str] = []
        before = "^"
        for k, token in enumerate(key):
            new = token
            if token != WILD:
                for place in ((len(key), k, before), (len(key), k, "")):
                    kept = self.open.get(place)
                    if kept is not None and token not in kept:
                        new = WILD
            before = token if new == token else WILD
            out.append(new)
        return tuple(out)


def root(group: Group) -> Group:
    """The group that a group has become."""
    while group.root is not group:
        group.root = group.root.root
        group = group.root
    return group


def _alive(groups: Iterable[Group]) -> list[Group]:
    """What the groups have become, each once, in order."""
    return list({one.row: one for one in map(root, groups)}.values())


def covers(general: Tokens, key: Tokens) -> bool:
    """Whether a tuple of the same length has the same words where the general one has words."""
    return all(a in (b, WILD) for a, b in zip(general, key, strict=True))
