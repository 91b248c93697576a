package dev.kerasint8.contract

import org.junit.Assert.assertArrayEquals
import org.junit.Test

/** From photos to inputs by name, against the golden vectors of the host. */
class NamedImagesTest {
    @Test
    fun photosBecomeTheInputByteForByte() {
        for (vector in Vectors.of("input", "image").filter { it.type == "uint8" }) {
            val photo = Image(vector.read("stored"), vector.height, vector.width, vector.channels)
            assertArrayEquals(vector.read("input"), Resources.bytes(Contract.input(vector.name, photo)))
        }
    }
}
