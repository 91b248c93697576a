package dev.kerasint8.bench.core;

import java.util.Arrays;

/** What a set of samples says. */
public final class Statistics {
    private final long[] sorted;

    /**
     * @param samples at least one, in any order; they are not changed.
     */
    public Statistics(long[] samples) {
        if (samples.length == 0) {
            throw new IllegalArgumentException("no samples");
        }
        sorted = samples.clone();
        Arrays.sort(sorted);
    }

    /** The percentile, linear between the two nearest samples as in numpy. */
    public double percentile(double percent) {
        double place = percent / 100 * (sorted.length - 1);
        int below = (int) Math.floor(place);
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    public long min() {
        return sorted[0];
    }

    public long max() {
        return sorted[sorted.length - 1];
    }

    public double mean() {
        double sum = 0;
        for (long sample : sorted) {
            sum += sample;
        }
        return sum / sorted.length;
    }
}
