package dev.kerasint8.contract

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

/** From outputs to the class of each pixel of the photo, against the golden masks of the host. */
class SegmentsTest {
    @Test
    fun theMasksAreTheHosts() {
        for (answer in Answers.all()) {
            val found = Contract.segments(answer.outputs(), answer.height, answer.width)
            assertEquals(answer.height, found.height)
            assertEquals(answer.width, found.width)
            assertArrayEquals(answer.read("mask"), found.classes)
        }
    }

    @Test
    fun masksAreColoured() {
        val palette = Segments.palette(22, 0x80)
        assertEquals(0, palette[0])
        assertEquals(0x80800000.toInt(), palette[1])
        assertEquals(0x80C08080.toInt(), palette[15])
        assertEquals(0x80004080.toInt(), palette[20])
        val found = Segments(byteArrayOf(0, 1, 21, Segments.OUTSIDE.toByte()), 2, 2)
        assertArrayEquals(intArrayOf(0, palette[1], palette[21], 0), found.argb(palette))
        assertEquals(Segments.OUTSIDE, found.at(1, 1))
    }
}
