package dev.kerasint8.contract

import java.nio.ByteBuffer

/** What the interpreter left in the outputs, as real numbers. */
internal object Outputs {
    /** Some outputs one after the other, as the model's map of outputs has them: a buffer for each number. */
    fun read(outputs: Map<Int, Any>, tensors: Array<Tensor>, vararg numbers: Int): FloatArray {
        val parts = numbers.mapIndexed { index, number ->
            val buffer = outputs[number]
            require(buffer is ByteBuffer) { "the outputs hold no ByteBuffer as number $number" }
            read(tensors[index], buffer)
        }
        val joined = FloatArray(parts.sumOf { it.size })
        var start = 0
        for (part in parts) {
            part.copyInto(joined, start)
            start += part.size
        }
        return joined
    }

    private fun read(tensor: Tensor, buffer: ByteBuffer): FloatArray {
        if (tensor.type != Tensor.Type.INT32 && tensor.type != Tensor.Type.INT64) return tensor.read(buffer)
        val whole = tensor.readIntegers(buffer)
        return FloatArray(whole.size) { whole[it].toFloat() }
    }
}
