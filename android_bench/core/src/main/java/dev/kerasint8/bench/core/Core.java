package dev.kerasint8.bench.core;

/** One CPU core. */
public final class Core {
    public final int id;
    /** Its highest clock in kHz; 0 where the kernel does not say. */
    public final int maxKhz;

    public Core(int id, int maxKhz) {
        this.id = id;
        this.maxKhz = maxKhz;
    }
}
