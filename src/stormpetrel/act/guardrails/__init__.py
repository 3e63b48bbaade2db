"""The twenty guardrails that every plan passes, in the order of the table; one a file."""

from stormpetrel.act.guardrails.autonomy import AutonomyLevel
from stormpetrel.act.guardrails.backup import FreshBackup
from stormpetrel.act.guardrails.blast_radius import BlastRadius
from stormpetrel.act.guardrails.bounds import Bounds
from stormpetrel.act.guardrails.breaker import Breaker
from stormpetrel.act.guardrails.budget import Budget
from stormpetrel.act.guardrails.context import Context
from stormpetrel.act.guardrails.cooldown import Cooldown
from stormpetrel.act.guardrails.dead_man import DeadMan
from stormpetrel.act.guardrails.did_not_help import DidNotHelp
from stormpetrel.act.guardrails.effect_class import Effect
from stormpetrel.act.guardrails.evidence import Evidence
from stormpetrel.act.guardrails.exclusion import Exclusion
from stormpetrel.act.guardrails.fleet_brake import FleetBrake
from stormpetrel.act.guardrails.identity import Identity
from stormpetrel.act.guardrails.kill_switch import KillSwitch
from stormpetrel.act.guardrails.last_healthy import LastHealthy
from stormpetrel.act.guardrails.leader import Leader
from stormpetrel.act.guardrails.preconditions import Preconditions
from stormpetrel.act.guardrails.rate import Rate
from stormpetrel.ports.algorithms import Guardrail

GUARDRAILS: tuple[Guardrail, ...] = (
    KillSwitch(),
    Leader(),
    DeadMan(),
    AutonomyLevel(),
    Effect(),
    Identity(),
    Evidence(),
    Context(),
    Preconditions(),
    FreshBackup(),
    BlastRadius(),
    LastHealthy(),
    FleetBrake(),
    Bounds(),
    Budget(),
    Rate(),
    Cooldown(),
    Exclusion(),
    DidNotHelp(),
    Breaker(),
)
