"""2: only the holder of the lease acts."""

from __future__ import annotations

from stormpetrel.act.guardrails.rule import Rule, known
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict


class Leader(Rule):
    """Refuses unless this very process holds the lease, under the token it believes to hold, unexpired."""

    number = 2
    name = "leader"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny unless the lease is ours and stands."""
        del plan  # whatever it is
        lease = known(facts.lease, "who holds the lease of automation")
        if not facts.me or lease.holder != facts.me:
            return self.deny(f"the lease is held by {lease.holder or 'nobody'}, not by {facts.me or 'us'}")
        if lease.token != facts.my_token:
            return self.deny(f"the lease went on to token {lease.token}, this process has {facts.my_token}")
        if not facts.now_unix_nano < lease.expires_unix_nano:
            return self.deny("the lease has expired")
        return self.allow(f"holds the lease with token {lease.token}")
