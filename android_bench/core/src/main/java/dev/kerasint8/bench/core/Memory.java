package dev.kerasint8.bench.core;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The process's memory, as the kernel counts it. */
public final class Memory {
    private static final Pattern PEAK = Pattern.compile("VmHWM:\\s+(\\d+) kB");

    private Memory() {}

    /**
     * The peak resident size.
     *
     * @param status the content of /proc/self/status.
     * @return MB of 2^20 bytes, as in TFLite's benchmark_model; null where it is not said.
     */
    public static Double peakMegabytes(String status) {
        Matcher found = PEAK.matcher(status);
        return found.find() ? Long.parseLong(found.group(1)) / 1024.0 : null;
    }
}
