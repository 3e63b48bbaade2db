"""Which of Kubernetes' events are changes: rollouts, scaling, jobs and certificates."""

from __future__ import annotations

from stormpetrel.ingest.changes_rows import ChangeRow
from stormpetrel.ingest.kubernetes_events_object import KubernetesEvent
from stormpetrel.ingest.webhook_values import filled
from stormpetrel.model.records import ChangeKind, ChangeState

_DEPLOY, _SCALING, _JOB = ChangeKind.DEPLOY, ChangeKind.SCALING, ChangeKind.JOB
_STARTED, _SUCCEEDED, _FAILED = ChangeState.STARTED, ChangeState.SUCCEEDED, ChangeState.FAILED

# By reason, of Kubernetes' controllers, its autoscalers, KEDA, Argo Rollouts, Flux's Helm controller and
# cert-manager.
REASONS: dict[str, tuple[ChangeKind, ChangeState]] = {
    "ScalingReplicaSet": (_SCALING, _SUCCEEDED),
    "SuccessfulRescale": (_SCALING, _SUCCEEDED),
    "FailedRescale": (_SCALING, _FAILED),
    "TriggeredScaleUp": (_SCALING, _STARTED),
    "ScaledUpGroup": (_SCALING, _SUCCEEDED),
    "ScaleDown": (_SCALING, _SUCCEEDED),
    "ScaleDownEmpty": (_SCALING, _SUCCEEDED),
    "KEDAScaleTargetActivated": (_SCALING, _SUCCEEDED),
    "KEDAScaleTargetDeactivated": (_SCALING, _SUCCEEDED),
    "DeploymentRollback": (_DEPLOY, _SUCCEEDED),
    "RolloutUpdated": (_DEPLOY, _STARTED),
    "RolloutCompleted": (_DEPLOY, _SUCCEEDED),
    "RolloutAborted": (_DEPLOY, _FAILED),
    "InstallSucceeded": (_DEPLOY, _SUCCEEDED),
    "UpgradeSucceeded": (_DEPLOY, _SUCCEEDED),
    "UpgradeFailed": (_DEPLOY, _FAILED),
    "RollbackSucceeded": (_DEPLOY, _SUCCEEDED),
    "SawCompletedJob": (_JOB, _SUCCEEDED),
    "BackoffLimitExceeded": (_JOB, _FAILED),
    "Issuing": (ChangeKind.CERTIFICATE, ChangeState.UNKNOWN),  # said at its start and at its end
    "CertificateIssued": (ChangeKind.CERTIFICATE, _SUCCEEDED),
}


def change_row(told: KubernetesEvent) -> ChangeRow | None:
    """The change that an event tells of; None when it tells of none.

    An event that Kubernetes counts up is a change each time.
    """
    found = REASONS.get(told.reason)
    if found is None:
        return None
    kind, state = found
    return ChangeRow(
        time_unix_nano=told.time_unix_nano,
        entity=told.entity,
        change_id=f"{told.uid or told.entity + ' ' + str(told.time_unix_nano)}/{told.counted}",
        kind=kind.value,
        state=state.value,
        title=f"{told.kind} {told.name}: {told.message or told.reason}",
        environment=told.namespace,
        version="",
        actor=told.component,
        url="",
        attributes=filled(told.attributes),
    )
