package dev.kerasint8.contract

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test

/** Scaling, quantization and answers, against the golden vectors of the host. */
class ContractTest {
    @Test
    fun halvesAndLimitsAreStoredAsOnTheHost() {
        assumeTrue("a float input stores what it is given", Golden.has("rounding.values"))
        val values = Resources.floats(Golden.read("rounding.values"))
        val stored = Contract.INPUT.allocate(values.size)
        for (value in values) Contract.INPUT.put(stored, value)
        stored.rewind()
        assertArrayEquals(Golden.read("rounding.stored"), Resources.bytes(stored))
        assertThrows(IllegalArgumentException::class.java) { Contract.INPUT.quantize(Float.NaN) }
    }

    @Test
    fun valuesBecomeTheInputByteForByte() {
        for (example in Golden.examples) {
            val pixels = example.read("values")
            val values =
                if (example.bytes) FloatArray(pixels.size) { (pixels[it].toInt() and 0xFF).toFloat() } else Resources.floats(pixels)
            assertArrayEquals(example.read("input"), Resources.bytes(Contract.encode(values)))
        }
    }

    @Test
    fun theOutputBecomesScoresAndProbabilities() {
        for (example in Golden.examples) {
            val output = Golden.output(example.read("output"))
            assertArrayEquals(Resources.floats(example.read("scores")), Contract.scores(output), 0f)
            assertArrayEquals(Resources.floats(example.read("probabilities")), Contract.probabilities(output), 1e-6f)
        }
    }

    @Test
    fun theAnswerIsTheHosts() {
        val labels = Golden.labels
        for (example in Golden.examples) {
            val top = Contract.top(Golden.output(example.read("output")), labels, 2)
            assertEquals(2, top.size)
            assertEquals(example.answer, top[0].index)
            assertEquals(labels.getOrElse(example.answer) { it.toString() }, top[0].label)
            assertTrue(top[0].probability >= top[1].probability)
        }
    }
}
