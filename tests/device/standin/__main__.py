"""Serve a stand-in until interrupted: `python -m tests.device.standin FOLDER [BYTES_A_SECOND]`."""

import sys
import threading
from pathlib import Path

from tests.device.standin.standin import Faults, StandIn

speed = float(sys.argv[2]) if len(sys.argv) > 2 else None
with StandIn(Path(sys.argv[1]).resolve(), faults=Faults(bytes_a_second=speed)) as device:
    print(device.serial, flush=True)
    threading.Event().wait()
