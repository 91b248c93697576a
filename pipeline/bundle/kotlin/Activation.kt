package dev.kerasint8.contract

import kotlin.math.exp
import kotlin.math.max

/** What is still to be done to a model's scores; worked out in double and rounded once, as the host does. */
internal enum class Activation {
    NONE,
    SIGMOID,
    SOFTMAX,
    ;

    /** All values, row by row of so many. */
    fun apply(values: FloatArray, row: Int): FloatArray {
        val applied = values.clone()
        when (this) {
            NONE -> Unit
            SIGMOID -> for (index in values.indices) applied[index] = sigmoid(values[index])
            SOFTMAX -> for (start in values.indices step row) softmax(values, applied, start, row)
        }
        return applied
    }

    companion object {
        fun sigmoid(value: Float): Float = (1 / (1 + exp(-value.toDouble()))).toFloat()

        fun power(value: Float): Float = exp(value.toDouble()).toFloat()

        private fun softmax(values: FloatArray, applied: FloatArray, start: Int, row: Int) {
            var largest = values[start].toDouble()
            for (index in start until start + row) largest = max(largest, values[index].toDouble())
            val powers = DoubleArray(row) { exp(values[start + it] - largest) }
            var total = 0.0
            for (power in powers) total += power
            for (index in 0 until row) applied[start + index] = (powers[index] / total).toFloat()
        }
    }
}
