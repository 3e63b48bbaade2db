"""Programs of this host: run with an argument list and an empty environment, bounded in time and output."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from stormpetrel.adapters.actuate.base import Deadline, NotDoneError
from stormpetrel.errors import ActuatorError

MAX_OUTPUT = 4 << 20
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def run(command: Sequence[str], deadline: Deadline, typed: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of a program; `typed` is its input.

    Raises:
        NotDoneError: it cannot be started. ActuatorError: it did not end in time, and was killed.
    """
    try:
        done = subprocess.run(
            list(command), input=typed.encode(), capture_output=True, check=False, timeout=deadline.left(),
            env=_ENVIRONMENT, cwd="/", start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ActuatorError(f"{command[0]} did not end within the time that was given") from None
    except OSError as error:
        raise NotDoneError(f"{command[0]} cannot be started: {error.strerror or error}") from None
    texts = [part[:MAX_OUTPUT].decode("utf-8", "replace") for part in (done.stdout, done.stderr)]
    return done.returncode, texts[0], texts[1]
