package dev.kerasint8.contract;

import static org.junit.Assert.assertArrayEquals;

import org.junit.Test;

/** From photos to inputs by name, against the golden vectors of the host. */
public final class NamedImagesTest {
    @Test
    public void photosBecomeTheInputByteForByte() {
        for (Vectors.Vector vector : Vectors.of("input", "image")) {
            if (!vector.type.equals("uint8")) {
                continue;
            }
            Image photo = new Image(vector.read("stored"), vector.height, vector.width, vector.channels);
            assertArrayEquals(vector.read("input"), Resources.bytes(Contract.input(vector.name, photo)));
        }
    }
}
