package dev.kerasint8.bench;

import dev.kerasint8.bench.core.Cores;
import dev.kerasint8.bench.core.Storage;

import java.io.File;
import java.util.List;

/** Which cores the calling thread may run on. Threads that it starts afterwards inherit this. */
final class Affinity {
    private Affinity() {}

    /**
     * Asks the kernel, and reads back what it made of it: a core may be offline or kept from the app's group.
     *
     * @return the cores allowed; null where this could not be set.
     */
    static List<Integer> pin(List<Integer> cores) {
        try {
            System.loadLibrary("affinity");
            if (set(Cores.mask(cores)) != 0) {
                return null;
            }
        } catch (LinkageError missing) { // an ABI that the library was not built for
            return null;
        }
        return Cores.allowed(Storage.textOrNothing(new File("/proc/thread-self/status")));
    }

    /** @return 0, or the negative errno. */
    private static native int set(long mask);
}
