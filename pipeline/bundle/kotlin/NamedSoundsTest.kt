package dev.kerasint8.contract

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

/** From sounds to inputs by name: another order of sums than the host's, so not to the last bit. */
class NamedSoundsTest {
    @Test
    fun soundsHaveTheHostsFeatures() {
        for (vector in Vectors.of("input", "audio")) {
            val sound = Resources.floats(vector.read("stored"))
            assertArrayEquals(vector.floats("values"), Contract.features(vector.name, sound), 1e-4f)
        }
    }

    @Test
    fun soundsBecomeTheInputToOneStep() {
        for (vector in Vectors.of("input", "audio")) {
            val tensor = Contract.inputTensor(vector.name)
            val wanted = tensor.read(Vectors.output(tensor, vector.read("input")))
            val found = tensor.read(Contract.input(vector.name, Resources.floats(vector.read("stored"))))
            val step = if (tensor.type == Tensor.Type.FLOAT32) 1e-4f else tensor.scale * 1.001f
            assertArrayEquals(wanted, found, step)
        }
    }

    @Test
    fun aShortSoundIsFilledUpWithSilenceAndALongOneIsCut() {
        for (vector in Vectors.of("input", "audio")) {
            val length = vector.floats("values").size
            assertEquals(length, Contract.features(vector.name, FloatArray(1)).size)
            assertEquals(length, Contract.features(vector.name, FloatArray(1 shl 20)).size)
        }
    }
}
