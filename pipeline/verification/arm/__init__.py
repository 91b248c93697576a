"""The kernels of a phone, on this host: LiteRT for aarch64 under an emulated ARM CPU (QEMU in user mode)."""
