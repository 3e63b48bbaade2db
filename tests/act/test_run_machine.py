"""The run machine under anything: answers in any order, crashes, jumping clocks, switches, other drivers."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.act.run_world import World, plan_of

from stormpetrel.act.progress import Decision
from stormpetrel.errors import StateError
from stormpetrel.model.action import EffectClass
from stormpetrel.model.facts import Switch
from stormpetrel.model.run import ENDS, Run, RunState, Verification
from stormpetrel.model.verdict import Outcome
from stormpetrel.testing.automation_samples import yes

SHARED_MEMORY = Path("/dev/shm")
BEHAVIOURS = st.sampled_from(
    ["done", "done", "done", "done, raises", "done, lost", "raises", "lost", "declined"]
)
ANSWERS = st.sampled_from(["truth", "truth", "truth", "raises", "no idea"])
SCOPES = ("global", "runbook:restart-it", "service:service:p0-0-0", "service:service:p1-0-0")
AT_ONCE = 3


class Machine(RuleBasedStateMachine):
    """A few runs in one world. What must hold is looked at after each thing that happens."""

    def __init__(self) -> None:
        super().__init__()
        where = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(dir=where))
        self.names: list[str] = []
        self.ended: dict[str, Run] = {}

    @initialize()
    def begin(self) -> None:
        self.world = World(self.folder)

    @precondition(lambda self: len(self.names) < AT_ONCE)
    @rule(
        widths=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        wave=st.integers(0, 2),
        undo=st.sampled_from([True, True, False]),
        effect=st.sampled_from([EffectClass.REVERSIBLE, EffectClass.DISRUPTIVE, EffectClass.READ]),
        ask=st.sampled_from([False, False, False, True]),
    )
    def propose(self, widths: list[int], wave: int, undo: bool, effect: EffectClass, ask: bool) -> None:
        name = f"p{len(self.names)}"
        self.world.outcome = Outcome.ASK if ask else Outcome.ALLOW
        self.world.propose(plan_of(name, widths, wave=wave, undo=undo, effect=effect))
        self.world.outcome = Outcome.ALLOW
        self.names.append(name)

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, AT_ONCE - 1), crash=st.none() | st.integers(0, 9), times=st.integers(1, 4))
    def advance(self, which: int, crash: int | None, times: int) -> None:
        self.world.fate.boundaries = crash
        for _ in range(times):
            self.world.advance(self.names[which % len(self.names)])
        self.world.fate.boundaries = None

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, AT_ONCE - 1), crash=st.none() | st.integers(0, 40), times=st.integers(4, 25))
    def it_goes_on(self, which: int, crash: int | None, times: int) -> None:
        """Time passes as it is asked for, as under a driver that lives for a while."""
        self.world.fate.boundaries = crash
        for _ in range(times):
            pause = self.world.advance(self.names[which % len(self.names)])
            if pause is None:
                break
            self.world.clock.advance(max(min(pause, 140.0), 0.01))
        self.world.fate.boundaries = None

    @rule(seconds=st.sampled_from([0.1, 6.0, 1000.0, -1.0, -20.0, -100.0]))
    def the_clock_goes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(behaves=st.lists(BEHAVIOURS, max_size=3), asked=st.lists(ANSWERS, max_size=3))
    def the_system_will(self, behaves: list[str], asked: list[str]) -> None:
        self.world.system.behaves, self.world.system.asked = behaves, asked

    @rule(says=st.sampled_from([*Verification, Verification.FIXED, Verification.WORSE]))
    def the_numbers_say(self, says: Verification) -> None:
        self.world.says = says

    @rule(outcome=st.sampled_from([*Outcome, *[Outcome.ALLOW] * 5]))
    def the_guardrails_say(self, outcome: Outcome) -> None:
        """For a few calls of one run."""
        self.world.outcome = outcome
        for _ in range(3 if self.names else 0):
            self.world.advance(self.names[-1])
        self.world.outcome = Outcome.ALLOW

    @rule(undoable=st.sampled_from([True, True, False]), owner=st.sampled_from(["", "", "autoscaler"]))
    def the_system_is(self, undoable: bool, owner: str) -> None:
        self.world.system.undoable, self.world.system.owner = undoable, owner

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, AT_ONCE - 1), agreed=st.booleans(), person=st.sampled_from(["jo", "kim"]))
    def a_person_answers(self, which: int, agreed: bool, person: str) -> None:
        run = self.world.run(self.names[which % len(self.names)])
        if run.state is RunState.WAITING:
            answer = yes(run, person, self.world.now, agreed=agreed)
            self.world.store.add_approval(run.run_id, answer)

    @precondition(lambda self: self.names)
    @rule(which=st.integers(0, AT_ONCE - 1), decision=st.sampled_from(Decision))
    def a_person_decides(self, which: int, decision: Decision) -> None:
        try:
            self.world.runs.decide(self.names[which % len(self.names)], decision, "jo")
        except StateError:
            return

    @rule(scope=st.sampled_from(SCOPES), times=st.integers(0, 3))
    def a_switch_is_engaged(self, scope: str, times: int) -> None:
        """It stays while a run is called a few times; then somebody releases it."""
        self.world.store.engage(Switch(scope, "jo", self.world.now, "stop"))
        for _ in range(times if self.names else 0):
            self.world.advance(self.names[0])
        self.the_switches_are_released()

    def the_switches_are_released(self) -> None:
        for one in self.world.store.switches():
            for person in ("kim", "lee"):
                if any(kept.scope == one.scope for kept in self.world.store.switches()):
                    self.world.store.release(one.scope, person, self.world.now, "over")

    @rule()
    def another_takes_the_lease(self) -> None:
        """This driver does not know yet; another one comes up beside it and goes on."""
        self.world.store.take_lease(self.world.leader.holder, self.world.now, 0.0)
        self.world.store.take_lease("another", self.world.now, 0.001)
        self.world.clock.advance(0.01)
        stale = self.world.runs
        if self.names:
            stale.advance(self.names[0])
        self.world.restart()

    @invariant()
    def what_must_hold(self) -> None:
        for name in self.names:
            self.world.check(name)
            run = self.world.run(name)
            if name in self.ended:
                assert run == self.ended[name], "an ended run changed"
            if run.ended:
                self.ended[name] = run
                undone = [one.key for one in run.records if one.undo]
                assert len(undone) == len(set(undone))
                assert run.state is not RunState.FINISHED or not undone

    def teardown(self) -> None:
        """Whatever happened, each run reaches its end, once."""
        self.world.fate.boundaries = None
        self.world.system.behaves, self.world.system.asked = [], []
        self.world.outcome = Outcome.ALLOW
        for name, says in zip(
            self.names, (Verification.WORSE, Verification.FIXED, Verification.WORSE), strict=False
        ):
            self.world.says = says
            assert self.world.to_end(name).state in ENDS
        self.what_must_hold()
        self.world.store.close()
        shutil.rmtree(self.folder)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
