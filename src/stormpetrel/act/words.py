"""Words of destruction: what a command says against what its runbook declares.

`effect_of` gives the class that an action is judged by: the worst of what is declared and what its words say.
It works for commands, statements and bodies that a person would call destructive on reading them, however
they are quoted, encoded or split; it fails on what is hidden behind a name (a script that deletes), which is
why scripts are on an allow-list of the actuator. It errs towards destructive: what it cannot read, what is
too long, and what is fetched or decoded only to be run, counts as destructive. No list of words is complete:
this is one of several bars, never the only one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import permutations

from stormpetrel.act.words_plain import readings
from stormpetrel.act.words_rules import RULES
from stormpetrel.model.action import Action, EffectClass, Parameter

MOST_CHARACTERS = 8192
MOST_PARAMETERS = 24
_PAIRED = 6

_COMPILED = tuple((name, re.compile("|".join(ways))) for name, ways in RULES)


@lru_cache(maxsize=4096)
def destructive_words(text: str) -> str:
    """Which rule a text breaks, by its name; "" when it reads as harmless.

    >>> destructive_words("sudo r'm' -fr /var/lib/postgresql")
    'rm with -r or -f'
    >>> destructive_words("systemctl restart nginx")
    ''
    """
    if len(text) > MOST_CHARACTERS:
        return "a text too long to be read"
    forms = readings(text)
    raw = " ".join(text.casefold().split())
    for name, pattern in _COMPILED:
        if any(pattern.search(one) for one in forms) or pattern.search(raw):
            return name
    return ""


def _texts(parameters: Sequence[Parameter]) -> Iterable[str]:
    """Each text alone, and the ways in which several could be put together into one command."""
    said = [f"{one.value}" for one in parameters if isinstance(one.value, str)]
    yield from said
    yield " ".join(said)
    yield " ".join(reversed(said))
    if len(said) <= _PAIRED:
        for one, other in permutations(said, 2):
            yield f"{one} {other}"
            yield f"{one}{other}"


def contradiction(parameters: Sequence[Parameter]) -> str:
    """Which rule the parameters of an action break, alone or put together; "" for none."""
    if len(parameters) > MOST_PARAMETERS:
        return "too many parameters to be read"
    return next((found for one in _texts(parameters) if (found := destructive_words(one))), "")


def effect_of(declared: EffectClass | None, parameters: Sequence[Parameter]) -> EffectClass:
    """The class of an action: as declared, or destructive where it is undeclared or its words say so.

    Args:
        declared: the worst of what runbook and actuator declare; None: nobody has.
        parameters: of the action, in any order.
    """
    if declared is None or contradiction(parameters):
        return EffectClass.DESTRUCTIVE
    return declared


@lru_cache(maxsize=4096)
def action_effect(action: Action) -> EffectClass:
    """The class of an action by its declaration and its words: what guardrails judge by."""
    return effect_of(action.effect, action.parameters)
