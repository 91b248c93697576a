"""`sha256sum` of the standard input, as fast as a phone's: with the processor's own instructions."""

import hashlib
import sys


def main() -> None:
    print(hashlib.file_digest(sys.stdin.buffer, "sha256").hexdigest(), " -")
