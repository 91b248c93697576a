package dev.kerasint8.contract;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;

import org.junit.Assume;
import org.junit.Test;

import java.nio.ByteBuffer;
import java.util.List;

/** Scaling, quantization and answers, against the golden vectors of the host. */
public final class ContractTest {
    @Test
    public void halvesAndLimitsAreStoredAsOnTheHost() {
        Assume.assumeTrue("a float input stores what it is given", Golden.has("rounding.values"));
        float[] values = Resources.floats(Golden.read("rounding.values"));
        ByteBuffer stored = Contract.INPUT.allocate(values.length);
        for (float value : values) {
            Contract.INPUT.put(stored, value);
        }
        stored.rewind();
        assertArrayEquals(Golden.read("rounding.stored"), Resources.bytes(stored));
        assertThrows(IllegalArgumentException.class, () -> Contract.INPUT.quantize(Float.NaN));
    }

    @Test
    public void valuesBecomeTheInputByteForByte() {
        for (Golden.Example example : Golden.examples()) {
            byte[] pixels = example.read("values");
            float[] values = example.bytes ? new float[pixels.length] : Resources.floats(pixels);
            for (int index = 0; example.bytes && index < pixels.length; index++) {
                values[index] = pixels[index] & 0xFF;
            }
            assertArrayEquals(example.read("input"), Resources.bytes(Contract.encode(values)));
        }
    }

    @Test
    public void theOutputBecomesScoresAndProbabilities() {
        for (Golden.Example example : Golden.examples()) {
            ByteBuffer output = Golden.output(example.read("output"));
            assertArrayEquals(Resources.floats(example.read("scores")), Contract.scores(output), 0);
            assertArrayEquals(Resources.floats(example.read("probabilities")), Contract.probabilities(output), 1e-6f);
        }
    }

    @Test
    public void theAnswerIsTheHosts() {
        List<String> labels = Golden.labels();
        for (Golden.Example example : Golden.examples()) {
            List<Classes.Answer> top = Contract.top(Golden.output(example.read("output")), labels, 2);
            assertEquals(2, top.size());
            assertEquals(example.answer, top.get(0).index);
            assertEquals(
                    labels.isEmpty() ? String.valueOf(example.answer) : labels.get(example.answer), top.get(0).label);
            assertFalse(top.get(0).probability < top.get(1).probability);
        }
    }
}
