package dev.kerasint8.contract

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

/** From photos to the model's input, against the golden vectors of the host. */
class ImageContractTest {
    @Test
    fun everyValueOfAPixelBecomesWhatItDoesOnTheHost() {
        val pixels = ByteArray(256 * Contract.CHANNELS) { (it / Contract.CHANNELS).toByte() }
        val image = Image(pixels, 256, 1, Contract.CHANNELS)
        assertArrayEquals(Golden.read("every_pixel.input"), Resources.bytes(Contract.encode(image)))
    }

    @Test
    fun photosBecomeTheInputByteForByte() {
        for (example in Golden.examples.filter { it.bytes }) {
            val photo = Image(example.read("stored"), example.height, example.width, example.channels)
            assertArrayEquals(example.read("values"), Contract.prepare(photo).pixels)
            assertArrayEquals(example.read("input"), Resources.bytes(Contract.input(photo)))
        }
    }

    @Test
    fun bitmapsAreReadInTheOrderRedGreenBlue() {
        val image = Image.ofArgb(intArrayOf(0xFF010203.toInt(), 0x80FF8000.toInt()), 1, 2)
        assertArrayEquals(byteArrayOf(1, 2, 3, 255.toByte(), 128.toByte(), 0), image.pixels)
        assertEquals(3, image.channels)
    }
}
