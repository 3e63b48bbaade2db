"""The error tree.

    StormPetrelError
    ├── ConfigError            the configuration cannot be used            (not retryable)
    ├── DecodeError            the sender's bytes are not the protocol     (not retryable)
    │   ├── TooLargeError      ... or exceed a stated limit                (not retryable)
    │   └── UnsupportedError   ... or another protocol, version, encoding  (not retryable)
    ├── StoreError             the store refused or failed                 (retryable)
    │   ├── StoreFullError     no room left on the device                  (retryable)
    │   ├── StoreLockedError   another process owns the data directory     (not retryable)
    │   └── UnstorableError    these rows cannot be stored, others can     (not retryable)
    ├── OverloadedError        a bounded queue is full, come back later    (retryable)
    │   └── BusyError          as many wait for a turn as there may be     (retryable)
    ├── AuthError              who are you / you may not                   (not retryable)
    ├── NotFoundError          the named thing does not exist              (not retryable)
    ├── StateError             the operation does not fit the state        (not retryable)
    ├── ActuatorError          a system that is acted on does not answer   (retryable)
    ├── NotifyError            a notification was not delivered            (retryable)
    │   └── NotTakenError      ... and will not be, as it is               (not retryable)
    ├── ModelStateError        a file of model state cannot be used        (not retryable)
    └── ArchiveError           a backup cannot be made of, or trusted      (not retryable)

Every class carries `retryable` (may the same request succeed later, unchanged?) and `reason`, one
short constant fit for a metric label. The message says what happened, to what, and what to do next.
"""


class StormPetrelError(Exception):
    """Root of every error this package raises on purpose."""

    retryable: bool = False
    reason: str = "error"


class ConfigError(StormPetrelError):
    """The configuration cannot be used; the message names the key and the remedy."""

    reason = "config"


class DecodeError(StormPetrelError):
    """The bytes a sender gave are not what their protocol says."""

    reason = "malformed"


class TooLargeError(DecodeError):
    """A body, or what it unpacks to, exceeds its stated limit."""

    reason = "too_large"


class UnsupportedError(DecodeError):
    """A content type, version or encoding that is not spoken here."""

    reason = "unsupported"


class StoreError(StormPetrelError):
    """The store refused or failed; nothing of the refused write was acknowledged."""

    retryable = True
    reason = "store"


class StoreFullError(StoreError):
    """No room is left where the store writes."""

    reason = "store_full"


class StoreLockedError(StoreError):
    """Another process owns the data directory."""

    retryable = False
    reason = "store_locked"


class UnstorableError(StoreError):
    """Rows that cannot be stored, by what they are, while others can; do not send them again."""

    retryable = False
    reason = "unstorable"


class OverloadedError(StormPetrelError):
    """A bounded queue is full; the sender should wait and send again."""

    retryable = True
    reason = "overloaded"


class BusyError(OverloadedError):
    """One thing is done at a time, and as many wait for their turn as there may be; ask again later."""

    reason = "busy"


class AuthError(StormPetrelError):
    """The caller is unknown, or known and not allowed."""

    reason = "auth"


class NotFoundError(StormPetrelError):
    """The named thing does not exist (any more)."""

    reason = "not_found"


class StateError(StormPetrelError):
    """The operation does not fit the present state, e.g. acknowledging a resolved incident."""

    reason = "state"


class ActuatorError(StormPetrelError):
    """A system that automation acts on does not answer, or refuses what its actuator asks."""

    retryable = True
    reason = "actuator"


class NotifyError(StormPetrelError):
    """A notification was not delivered; the message holds no address and no secret of the receiver."""

    retryable = True
    reason = "not_delivered"


class NotTakenError(NotifyError):
    """The receiver says that it will never take this; sending it again changes nothing."""

    retryable = False
    reason = "not_taken"


class ModelStateError(StormPetrelError):
    """A file of model state is damaged or of another version; what it held is learnt anew."""

    reason = "model_state"


class ArchiveError(StormPetrelError):
    """A backup archive is damaged, unfinished, not one of ours, or of a newer program."""

    reason = "archive"
