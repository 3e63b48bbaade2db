"""Certificates that end soon: known to the second beforehand, and still a usual cause of outages."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.detect.series_watch import SeriesWatch, Watched
from stormpetrel.detect.standing import Claim
from stormpetrel.model.finding import Evidence, Finding, Severity
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_iso, to_seconds

NAME = "certificate_expiry"
# Each says when a certificate ends, in Unix seconds: blackbox_exporter, x509-certificate-exporter,
# ssl_exporter, cert-manager, ingress-nginx, Traefik.
METRICS = frozenset(
    {
        "probe_ssl_earliest_cert_expiry",
        "x509_cert_not_after",
        "ssl_cert_not_after",
        "certmanager_certificate_expiration_timestamp_seconds",
        "nginx_ingress_controller_ssl_expire_time_seconds",
        "traefik_tls_certs_not_after",
    }
)
_DAY = 86_400.0
_SOON, _VERY_SOON, _NOW = 14 * _DAY, 3 * _DAY, 1 * _DAY
# Of its life, where that is known: those that live for a week are renewed in their last days.
_SOON_SHARE, _VERY_SOON_SHARE, _NOW_SHARE = 1 / 4, 1 / 12, 1 / 36
_RENEWED = 3600.0  # a date that moves by less is the same certificate told again
_FORGET = from_seconds(2 * _DAY)
# Two weeks are no reason to wake anybody; three days are, whatever this says.
_P_VALUE = 0.5
_FAR = 100 * 365 * _DAY


@dataclass(slots=True)
class _Watched(Watched):
    """One certificate: when it ends, how long it had when it was new (0: not seen), and the newest sample."""

    end: float = 0.0
    life: float = 0.0


class CertificateWatch(SeriesWatch[_Watched]):
    """One finding for each series of a certificate's end that comes near.

    A rule: it opens a fortnight before the end as a warning, is an error three days and critical a day
    before it. Of a certificate that was seen to be renewed the life is known, and shorter lives have shorter
    terms: a quarter, a twelfth, a thirty-sixth of it. It closes with the first sample of a later end. A
    series that is silent for two days is closed as unknown.

    Fails for a short-lived certificate until it was seen renewed once (one warning too many), and where
    nobody probes.

    Args:
        describe: what is known of a series id.
        most: series that are watched; further ones are not.
    """

    name = NAME
    forget_nanos = _FORGET

    def wanted(self, info: SeriesInfo) -> bool:
        """Whether a series is looked at."""
        return info.metric in METRICS

    def fresh(self) -> _Watched:
        """Nothing is known of it."""
        return _Watched()

    def see(self, series: int, time: int, value: float) -> list[Finding]:
        """One sample."""
        end = value
        one, key = self._watched[series], str(series)
        if time <= one.newest or not 0 < end < _FAR:  # 0 is what a probe says that saw no certificate
            return []
        left = end - to_seconds(time)
        if one.end and end > one.end + _RENEWED:
            one.life = max(left, 1.0)
        one.end, one.newest = end, time
        severity = severity_of(left, one.life)
        if severity is None:
            return self._standing.over(key, time, f"Since {to_iso(time)} it ends in {left / _DAY:.0f} days.")
        return self._standing.hold(key, self._claim(series, time, left, one.life, severity), time)

    def _claim(self, series: int, time: int, left: float, life: float, severity: Severity) -> Claim:
        info = self._describe(series)
        end = to_seconds(time) + left
        when = to_iso(from_seconds(end))
        term = min(_SOON, life * _SOON_SHARE) if life else _SOON
        ends = f"ends in {told(left)}" if left > 0 else f"ended {told(-left)} ago"
        return Claim(
            entity=info.entity,
            title="its certificate ends soon" if left > 0 else "its certificate has ended",
            why=f"{info.text()}: the certificate {ends}, at {when}.",
            severity=severity,
            since_unix_nano=time,
            name=f"{end:.0f}",
            evidence=Evidence(
                "metric",
                info.text(),
                series,
                time,
                time,
                end,
                end,
                to_seconds(time) + term,
                _FAR,
                _P_VALUE,
                "s",
            ),
        )


def severity_of(left_seconds: float, life_seconds: float = 0.0) -> Severity | None:
    """How bad it is that a certificate ends in so long; None: it is not.

    >>> severity_of(20 * 86400.0), severity_of(86400.0 * 2).name, severity_of(86400.0 * 2, 86400.0 * 7)
    (None, 'ERROR', None)
    """

    def term(usual: float, share: float) -> float:
        return min(usual, life_seconds * share) if life_seconds else usual

    if left_seconds > term(_SOON, _SOON_SHARE):
        return None
    if left_seconds > term(_VERY_SOON, _VERY_SOON_SHARE):
        return Severity.WARNING
    return Severity.ERROR if left_seconds > term(_NOW, _NOW_SHARE) else Severity.CRITICAL


def told(seconds: float) -> str:
    """A length of time in days or hours.

    >>> told(86400.0 * 3), told(7200.0)
    ('3.0 days', '2.0 hours')
    """
    return f"{seconds / _DAY:.1f} days" if seconds >= _DAY else f"{seconds / 3600:.1f} hours"
