"""Serve a stand-in until interrupted: `python -m tests.device.standin FOLDER`."""

import sys
import threading
from pathlib import Path

from tests.device.standin.standin import StandIn

with StandIn(Path(sys.argv[1]).resolve()) as device:
    print(device.serial, flush=True)
    threading.Event().wait()
