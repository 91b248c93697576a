package dev.kerasint8.contract;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import org.junit.Test;

/** From photos to the model's input, against the golden vectors of the host. */
public final class ImageContractTest {
    @Test
    public void everyValueOfAPixelBecomesWhatItDoesOnTheHost() {
        byte[] pixels = new byte[256 * Contract.CHANNELS];
        for (int index = 0; index < pixels.length; index++) {
            pixels[index] = (byte) (index / Contract.CHANNELS);
        }
        Image image = new Image(pixels, 256, 1, Contract.CHANNELS);
        assertArrayEquals(Golden.read("every_pixel.input"), Resources.bytes(Contract.encode(image)));
    }

    @Test
    public void photosBecomeTheInputByteForByte() {
        for (Golden.Example example : Golden.examples()) {
            if (!example.bytes) {
                continue;
            }
            Image photo = new Image(example.read("stored"), example.height, example.width, example.channels);
            assertArrayEquals(example.read("values"), Contract.prepare(photo).pixels);
            assertArrayEquals(example.read("input"), Resources.bytes(Contract.input(photo)));
        }
    }

    @Test
    public void bitmapsAreReadInTheOrderRedGreenBlue() {
        Image image = Image.ofArgb(new int[] {0xFF010203, 0x80FF8000}, 1, 2);
        assertArrayEquals(new byte[] {1, 2, 3, (byte) 255, (byte) 128, 0}, image.pixels);
        assertEquals(3, image.channels);
    }
}
