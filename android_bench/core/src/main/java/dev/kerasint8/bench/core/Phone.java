package dev.kerasint8.bench.core;

import java.util.List;

/** What a run needs of the phone besides an {@link Engine}. */
public interface Phone {
    Facts facts();

    Conditions conditions();

    List<Core> cores();

    /**
     * Keeps this thread, and those that it starts, to some cores.
     *
     * @return the cores that the kernel now allows it; null where this could not be set.
     */
    List<Integer> pin(List<Integer> cores);

    /** The most memory that the process has held so far, in MB of 2^20 bytes; null where it is not known. */
    Double peakMegabytes();

    /** The app's own version. */
    String version();

    /** The clock that results are dated by: ISO 8601 with its offset. */
    String now();

    /** What does not change while it runs. */
    final class Facts {
        public final String manufacturer;
        public final String model;
        public final String soc;
        public final String abi;
        public final String android;
        public final boolean emulator;

        public Facts(String manufacturer, String model, String soc, String abi, String android, boolean emulator) {
            this.manufacturer = manufacturer;
            this.model = model;
            this.soc = soc;
            this.abi = abi;
            this.android = android;
            this.emulator = emulator;
        }
    }
}
