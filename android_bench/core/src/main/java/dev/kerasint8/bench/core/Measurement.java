package dev.kerasint8.bench.core;

/** The first inference, the warm-up, and the samples of one model. */
public final class Measurement {
    public static final int MOST_SAMPLES = 100_000;
    /** Measuring ends here, whether there are enough samples or not, as in TFLite's benchmark_model. */
    public static final double MOST_SECONDS = 150;

    /** Microseconds of the very first inference, which may still prepare things. */
    public final long firstUs;
    /** Microseconds, in the order taken. */
    public final long[] samplesUs;

    private Measurement(long firstUs, long[] samplesUs) {
        this.firstUs = firstUs;
        this.samplesUs = samplesUs;
    }

    /** Nanoseconds of a clock that only goes forward. */
    public interface Clock {
        long nanos();
    }

    /** Follows the work; done and total are samples. */
    public interface Progress {
        void at(String stage, int done, int total);
    }

    /**
     * Runs an open engine: once, `warmupRuns` times, then until there are `runs` samples and `minSeconds` have passed.
     *
     * @throws Exception what the engine throws.
     */
    public static Measurement take(Engine engine, Arguments arguments, Clock clock, Progress progress)
            throws Exception {
        progress.at("first inference", 0, arguments.runs);
        long first = micros(engine.invoke());
        progress.at("warm-up", 0, arguments.runs);
        for (int run = 0; run < arguments.warmupRuns; run++) {
            engine.invoke();
        }
        long[] samples = new long[Math.min(MOST_SAMPLES, Math.max(arguments.runs, 1024))];
        int taken = 0;
        long begin = clock.nanos();
        double seconds = 0;
        while ((taken < arguments.runs || seconds < arguments.minSeconds) && seconds < MOST_SECONDS
                && taken < MOST_SAMPLES) {
            if (taken == samples.length) {
                samples = java.util.Arrays.copyOf(samples, Math.min(MOST_SAMPLES, 2 * taken));
            }
            samples[taken++] = micros(engine.invoke());
            double before = seconds;
            seconds = (clock.nanos() - begin) / 1e9;
            if ((long) seconds != (long) before) { // once a second: telling costs time too
                progress.at("measuring", taken, arguments.runs);
            }
        }
        return new Measurement(first, java.util.Arrays.copyOf(samples, taken));
    }

    private static long micros(long nanos) {
        return (nanos + 500) / 1000;
    }
}
