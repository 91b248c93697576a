package dev.kerasint8.contract;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertThrows;

import org.junit.Test;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Inputs and outputs by name, against the golden vectors of the host. */
public final class NamedTensorsTest {
    @Test
    public void halvesAndLimitsAreStoredAsOnTheHost() {
        String[] lines = new String(Resources.read("golden/rounding.csv"), StandardCharsets.UTF_8).split("\n");
        for (int index = 1; index < lines.length; index++) { // after the head
            String[] cells = lines[index].split(",", 2);
            Tensor tensor = Contract.inputTensor(cells[1]);
            float[] values = Resources.floats(Resources.read("golden/rounding." + cells[0] + ".values"));
            ByteBuffer stored = tensor.allocate(values.length);
            for (float value : values) {
                tensor.put(stored, value);
            }
            stored.rewind();
            assertArrayEquals(Resources.read("golden/rounding." + cells[0] + ".stored"), Resources.bytes(stored));
            assertThrows(IllegalArgumentException.class, () -> tensor.quantize(Float.NaN));
        }
    }

    @Test
    public void numbersBecomeTheInputByteForByte() {
        for (String kind : new String[] {"numbers", "image", "audio"}) {
            for (Vectors.Vector vector : Vectors.of("input", kind)) {
                ByteBuffer input = Contract.encode(vector.name, vector.floats("values"));
                assertArrayEquals(vector.read("input"), Resources.bytes(input));
            }
        }
    }

    @Test
    public void wholeNumbersBecomeTheInputAsTheyAre() {
        for (Vectors.Vector vector : Vectors.of("input", "integers")) {
            ByteBuffer input = Contract.encode(vector.name, vector.integers("values"));
            assertArrayEquals(vector.read("input"), Resources.bytes(input));
        }
    }

    @Test
    public void outputsBecomeNumbersAndProbabilities() {
        for (String kind : new String[] {"numbers", "classes"}) {
            for (Vectors.Vector vector : Vectors.of("output", kind)) {
                ByteBuffer output = Vectors.output(Contract.outputTensor(vector.name), vector.read("output"));
                assertArrayEquals(vector.floats("real"), Contract.decode(vector.name, output), 0);
                if (kind.equals("classes")) {
                    float[] wanted = vector.floats("probabilities");
                    assertArrayEquals(wanted, Contract.probabilities(vector.name, output), 1e-6f);
                }
            }
        }
        for (Vectors.Vector vector : Vectors.of("output", "integers")) {
            ByteBuffer output = Vectors.output(Contract.outputTensor(vector.name), vector.read("output"));
            assertArrayEquals(vector.integers("real"), Contract.decodeIntegers(vector.name, output));
        }
    }

    @Test
    public void anUnknownNameIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> Contract.encode("no such input", new float[1]));
        assertThrows(IllegalArgumentException.class, () -> Contract.outputTensor("no such output"));
    }
}
