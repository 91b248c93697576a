package dev.kerasint8.contract;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import org.junit.Test;

/** From outputs to the class of each pixel of the photo, against the golden masks of the host. */
public final class SegmentsTest {
    @Test
    public void theMasksAreTheHosts() {
        for (Answers answer : Answers.all()) {
            Segments found = Contract.segments(answer.outputs(), answer.height, answer.width);
            assertEquals(answer.height, found.height);
            assertEquals(answer.width, found.width);
            assertArrayEquals(answer.read("mask"), found.classes);
        }
    }

    @Test
    public void masksAreColoured() {
        int[] palette = Segments.palette(22, 0x80);
        assertEquals(0, palette[0]);
        assertEquals(0x80800000, palette[1]);
        assertEquals(0x80C08080, palette[15]);
        assertEquals(0x80004080, palette[20]);
        Segments found = new Segments(new byte[] {0, 1, 21, (byte) Segments.OUTSIDE}, 2, 2);
        assertArrayEquals(new int[] {0, palette[1], palette[21], 0}, found.argb(palette));
        assertEquals(Segments.OUTSIDE, found.at(1, 1));
    }
}
