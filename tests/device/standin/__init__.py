"""A loopback stand-in for an Android device: test equipment, driven by the real adb.

It speaks adb's transport protocol (AOSP, packages/modules/adb: protocol.txt, SYNC.TXT, OVERVIEW.TXT), keeps a folder
as its file system, and runs commands on this host. It tells everyone that it is one: `ro.boot.loopback_standin` is 1.

    python -m tests.device.standin FOLDER      # then: adb connect 127.0.0.1:PORT
"""
