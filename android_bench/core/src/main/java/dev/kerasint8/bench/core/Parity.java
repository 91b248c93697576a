package dev.kerasint8.bench.core;

/** Whether the phone's outputs are the golden ones, byte for byte. */
public final class Parity {
    public final boolean identical;
    /** Bytes that differ, those that are missing or too many included. */
    public final int differingBytes;

    private Parity(int differingBytes) {
        this.identical = differingBytes == 0;
        this.differingBytes = differingBytes;
    }

    public static Parity of(byte[] outputs, byte[] golden) {
        int shared = Math.min(outputs.length, golden.length);
        int differing = Math.max(outputs.length, golden.length) - shared;
        for (int place = 0; place < shared; place++) {
            differing += outputs[place] == golden[place] ? 0 : 1;
        }
        return new Parity(differing);
    }
}
