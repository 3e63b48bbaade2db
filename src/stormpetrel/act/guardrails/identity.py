"""6: who asks does not agree, and text of strangers names nothing."""

from __future__ import annotations

from collections.abc import Iterator

from stormpetrel.act.guardrails.rule import Rule, every_target, known
from stormpetrel.model.action import Action, Origin, Parameter, Plan
from stormpetrel.model.agreement import same_person
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Verdict

HOSTILE = frozenset({Origin.TELEMETRY, Origin.MODEL})
NAMING = frozenset(
    {"command", "argv", "script", "module", "playbook", "program", "url", "method", "flag", "area"}
)
"""Parameters that say what is done rather than how much of it: hostile text may not fill them."""


def every_action(plan: Plan) -> Iterator[Action]:
    """What the plan does, and what would undo it."""
    for step in plan.steps:
        yield step.action
        if step.inverse is not None:
            yield step.inverse


class Identity(Rule):
    """Refuses a plan agreed to by its requester, one without a requester, and what hostile text has named.

    Text of alerts, logs and traces, and language models, may fill typed and validated parameters, nothing
    else; an action must be one that its actuator offers.
    """

    number = 6
    name = "identity"

    def decide(self, plan: Plan, facts: Facts) -> Verdict:
        """Deny unless everybody and everything is who and what it should be."""
        requester = same_person(plan.requester)
        if not requester:
            return self.deny("nobody is named who asks for it")
        for approval in known(facts.approvals, "who agreed"):
            if approval.agreed and same_person(approval.approver) == requester:
                return self.deny(f"{plan.requester} asked for it and cannot agree to it")
        for target in every_target(plan):
            if target.origin in HOSTILE:
                return self.deny(f"the target {target.entity} was named by {target.origin}")
        offered = set(known(facts.known_actions, "which actions there are"))
        for action in every_action(plan):
            for target in action.targets:
                if (target.actuator, action.kind) not in offered:
                    return self.deny(f"the actuator {target.actuator} offers no {action.kind}")
            for parameter in action.parameters:
                wrong = self._wrong(parameter)
                if wrong:
                    return self.deny(f"the parameter {parameter.name} of {action.kind} {wrong}")
        return self.allow("named by the runbook, the inventory or validated facts")

    @staticmethod
    def _wrong(parameter: Parameter) -> str:
        """What is wrong with a parameter; "" for nothing."""
        if parameter.validated is not True:
            return "was not checked against its schema"
        if parameter.origin in HOSTILE and parameter.name in NAMING:
            return f"says what is done, and came from {parameter.origin}"
        return ""
