"""The use-cases of notifications, and of the links that ask people about plans."""

from __future__ import annotations

from abc import abstractmethod

from stormpetrel.app import access as rules
from stormpetrel.app.parts import Parts
from stormpetrel.errors import AuthError, StateError, StoreError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.agreement import same_person
from stormpetrel.model.automation_view import RunView
from stormpetrel.model.notification import Consent, NotificationsView
from stormpetrel.model.run import RunState
from stormpetrel.model.time import to_iso


class NotifyUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    @abstractmethod
    def automation_run(self, run_id: str) -> RunView:
        """Of `AutomationUseCases`."""

    def notifications(self) -> NotificationsView:
        """The page."""
        return self._is.notices.view()

    def notify_trouble(self) -> str:
        """What does not get through."""
        return self._is.notices.trouble()

    def send_trial(self, route: str, by: Caller) -> None:
        """An admin."""
        rules.require(by, Role.ADMIN)
        self._is.notices.send_trial(route, by.name)

    def open_consent(self, text: str, by: Caller) -> RunView:
        """Looking uses nothing up: programs that preview links look, too."""
        return self._asked(text, by)[1]

    def answer_consent(self, text: str, agreed: bool, by: Caller, reason: str) -> RunView:
        """The link is used before the answer is kept, so of two at once one is refused."""
        consent, view = self._asked(text, by)
        now = self._is.clock.now_unix_nano()
        if not self._is.control.spend_link(consent.link_id, now, consent.ends_unix_nano):
            raise StateError(_used(view))
        try:
            self._is.automation.answer(
                consent.run_id, consent.plan_hash, agreed, (by.name, "link"), reason[:500]
            )
        except StoreError:
            self._is.control.unspend_link(consent.link_id)
            raise
        return self.automation_run(consent.run_id)

    def _asked(self, text: str, by: Caller) -> tuple[Consent, RunView]:
        """What a link asks, when it may be answered by this person now."""
        rules.require(by, Role.RESPONDER)
        consent = self._is.notices.links.read(text)
        if consent.person != by.name:
            raise AuthError(
                f"this link asks {consent.person}, and you are signed in as {by.name}:"
                f" look at the plan and answer as yourself (/automation/runs/{consent.run_id})"
            )
        view = self.automation_run(consent.run_id)
        if self._is.clock.now_unix_nano() >= consent.ends_unix_nano:
            raise StateError(f"this link ended at {to_iso(consent.ends_unix_nano)}; ask for a new plan")
        if self._is.control.link_spent(consent.link_id):
            raise StateError(_used(view))
        if view.run.plan_hash != consent.plan_hash:
            raise StateError("the plan has changed since this link was made: look at it as it is now")
        if same_person(view.run.plan.requester) == same_person(by.name):
            raise StateError("you proposed this plan, so somebody else has to agree to it")
        if view.run.state is not RunState.WAITING:
            raise StateError(
                f"the plan does not wait any more, it is {view.run.state.value}: see what became of it"
                f" (/automation/runs/{view.run.run_id})"
            )
        return consent, view


def _used(view: RunView) -> str:
    return f"this link was used; to answer anew, open the plan itself (/automation/runs/{view.run.run_id})"
