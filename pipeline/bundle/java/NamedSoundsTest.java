package dev.kerasint8.contract;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import org.junit.Test;

/** From sounds to inputs by name: another order of sums than the host's, so not to the last bit. */
public final class NamedSoundsTest {
    @Test
    public void soundsHaveTheHostsFeatures() {
        for (Vectors.Vector vector : Vectors.of("input", "audio")) {
            float[] sound = Resources.floats(vector.read("stored"));
            assertArrayEquals(vector.floats("values"), Contract.features(vector.name, sound), 1e-4f);
        }
    }

    @Test
    public void soundsBecomeTheInputToOneStep() {
        for (Vectors.Vector vector : Vectors.of("input", "audio")) {
            Tensor tensor = Contract.inputTensor(vector.name);
            float[] wanted = tensor.read(Vectors.output(tensor, vector.read("input")));
            float[] found = tensor.read(Contract.input(vector.name, Resources.floats(vector.read("stored"))));
            float step = tensor.type == Tensor.Type.FLOAT32 ? 1e-4f : tensor.scale * 1.001f;
            assertArrayEquals(wanted, found, step);
        }
    }

    @Test
    public void aShortSoundIsFilledUpWithSilenceAndALongOneIsCut() {
        for (Vectors.Vector vector : Vectors.of("input", "audio")) {
            int length = vector.floats("values").length;
            assertEquals(length, Contract.features(vector.name, new float[1]).length);
            assertEquals(length, Contract.features(vector.name, new float[1 << 20]).length);
        }
    }
}
