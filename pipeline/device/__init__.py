"""Models on an Android phone, through adb: push, benchmark, parity."""
