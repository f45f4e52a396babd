"""How one of several processes ends; without torch, so that an early error costs no import of it."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def leave(code: int = 0) -> NoReturn:
    """Ends one of several processes at once, the way `multiprocessing` ends its children.

    A thread of gloo may still hold the tensor of the last exchange, and what is cached of sharded tensors keeps such
    threads alive after `distributed.stop`. If one of them asks for Python while Python shuts down, the process is
    aborted with "terminate called without an active exception" and torchrun reports a failure of work that is done.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
