package dev.kerasint8.bench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import org.junit.Test;

public final class StatisticsTest {
    @Test
    public void percentilesAreThoseOfNumpy() {
        Statistics found = new Statistics(new long[] {5, 1, 4, 2, 3, 100});
        assertEquals(3.5, found.percentile(50), 1e-9);
        assertEquals(52.5, found.percentile(90), 1e-9);
        assertEquals(76.25, found.percentile(95), 1e-9);
        assertEquals(95.25, found.percentile(99), 1e-9);
        assertEquals(1, found.min());
        assertEquals(100, found.max());
        assertEquals(115 / 6.0, found.mean(), 1e-9);
    }

    @Test
    public void oneSampleIsEveryPercentile() {
        Statistics found = new Statistics(new long[] {7});
        assertEquals(7, found.percentile(0), 0);
        assertEquals(7, found.percentile(99), 0);
        assertEquals(7, found.percentile(100), 0);
    }

    @Test
    public void noSampleIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Statistics(new long[0]));
    }
}
