"""A process that is killed while it writes a snapshot: the one before is there, whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stormpetrel.app.model_folder import ModelFolder

WRITER = """
import sys
from pathlib import Path
import numpy as np
from stormpetrel.app.model_file import ModelState, Part
from stormpetrel.app.model_folder import ModelFolder
folder = ModelFolder(Path(sys.argv[1]))
for number in range(1, 100_000):
    array = np.full((200_000, 10), float(number))
    folder.write(ModelState(number, "0.1", {}, (Part("bank:x", 1, {"a": array}),)))
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_kill_9_while_writing_leaves_a_whole_snapshot(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(chance.randint(2, 5)):
            last = int(process.stdout.readline())
        # Killed somewhere in the next one, which takes as long as some thousands of these turns.
        for _ in range(chance.randint(0, 40_000)):
            os.getpid()
        process.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in process.stdout.read().split())])
    found, refused = ModelFolder(tmp_path).newest()
    assert refused == [], "nothing half-written has the name of a whole one"
    assert found is not None
    assert found.taken_unix_nano in (last, last + 1), "what was written is there"
    part = found.part("bank:x")
    assert part is not None
    assert (part.arrays["a"] == float(found.taken_unix_nano)).all()
