package dev.kerasint8.contract

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertThrows
import org.junit.Test

/** Inputs and outputs by name, against the golden vectors of the host. */
class NamedTensorsTest {
    @Test
    fun halvesAndLimitsAreStoredAsOnTheHost() {
        for (line in Resources.rows("golden/rounding.csv")) {
            val (file, name) = line.split(",", limit = 2)
            val tensor = Contract.inputTensor(name)
            val values = Resources.floats(Resources.read("golden/rounding.$file.values"))
            val stored = tensor.allocate(values.size)
            for (value in values) tensor.put(stored, value)
            stored.rewind()
            assertArrayEquals(Resources.read("golden/rounding.$file.stored"), Resources.bytes(stored))
            assertThrows(IllegalArgumentException::class.java) { tensor.quantize(Float.NaN) }
        }
    }

    @Test
    fun numbersBecomeTheInputByteForByte() {
        for (vector in listOf("numbers", "image", "audio").flatMap { Vectors.of("input", it) }) {
            val input = Contract.encode(vector.name, vector.floats("values"))
            assertArrayEquals(vector.read("input"), Resources.bytes(input))
        }
    }

    @Test
    fun wholeNumbersBecomeTheInputAsTheyAre() {
        for (vector in Vectors.of("input", "integers")) {
            val input = Contract.encode(vector.name, vector.integers("values"))
            assertArrayEquals(vector.read("input"), Resources.bytes(input))
        }
    }

    @Test
    fun outputsBecomeNumbersAndProbabilities() {
        for (vector in listOf("numbers", "classes").flatMap { Vectors.of("output", it) }) {
            val output = Vectors.output(Contract.outputTensor(vector.name), vector.read("output"))
            assertArrayEquals(vector.floats("real"), Contract.decode(vector.name, output), 0f)
            if (vector.kind == "classes") {
                val wanted = vector.floats("probabilities")
                assertArrayEquals(wanted, Contract.probabilities(vector.name, output), 1e-6f)
            }
        }
        for (vector in Vectors.of("output", "integers")) {
            val output = Vectors.output(Contract.outputTensor(vector.name), vector.read("output"))
            assertArrayEquals(vector.integers("real"), Contract.decodeIntegers(vector.name, output))
        }
    }

    @Test
    fun anUnknownNameIsRefused() {
        assertThrows(IllegalArgumentException::class.java) { Contract.encode("no such input", FloatArray(1)) }
        assertThrows(IllegalArgumentException::class.java) { Contract.outputTensor("no such output") }
    }
}
