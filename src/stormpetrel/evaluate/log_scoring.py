"""Scores of log parsing: grouping accuracy and template accuracy, as the literature defines them.

GA: share of lines whose group holds exactly the lines of one true group. FGA: F1 over groups. PA: share of
lines whose template text is the true one. FTA: F1 over templates, right when all their lines have one truth
and the text is equal (Zhu et al., 2019; Khan et al., 2022; Jiang et al., 2024).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

_MASK = re.compile(r"<[A-Za-z_*][\w*:\-]*>")


@dataclass(frozen=True, slots=True)
class ParseScore:
    """Scores of one system, each in [0, 1]; and how many groups there are and should be."""

    ga: float
    fga: float
    pa: float
    fta: float
    found: int
    true: int


def same_text(template: str) -> str:
    """A template as it is compared: any named variable is `<*>`, white space is one space."""
    return " ".join(_MASK.sub("<*>", template).split())


def score(ids: Sequence[Hashable], templates: Sequence[str], truth: Sequence[str]) -> ParseScore:
    """Score the groups and templates of lines against their true templates, line for line; O(lines)."""
    found, true, both = Counter(ids), Counter(truth), Counter(zip(ids, truth, strict=True))
    exact = [n for (group, text), n in both.items() if n == found[group] == true[text]]
    said = [same_text(text) for text in templates]
    wanted = [same_text(text) for text in truth]
    truths: dict[str, set[str]] = defaultdict(set)
    for text, right in zip(said, wanted, strict=True):
        truths[text].add(right)
    right_texts = sum(rights == {text} for text, rights in truths.items())
    lines = max(len(truth), 1)
    return ParseScore(
        ga=sum(exact) / lines,
        fga=_f1(len(exact), len(found), len(true)),
        pa=sum(a == b for a, b in zip(said, wanted, strict=True)) / lines,
        fta=_f1(right_texts, len(truths), len(set(wanted))),
        found=len(found),
        true=len(true),
    )


def _f1(right: int, found: int, true: int) -> float:
    return 2 * right / (found + true) if right else 0.0
