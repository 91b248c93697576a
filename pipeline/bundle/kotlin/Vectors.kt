package dev.kerasint8.contract

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The golden vectors of inputs and outputs by name. */
internal object Vectors {
    /** A line of golden/vectors.csv: one input or output of one example. */
    class Vector(line: String) {
        private val cells = line.split(",", limit = 9)
        private val file = cells[0] + "." + cells[1]

        /** input or output. */
        val side = cells[2]

        /** image, audio, integers or numbers; of outputs classes too. */
        val kind = cells[3]

        /** Of what the data has: uint8, float32 or int32. */
        val type = cells[4]
        val height = cells[5].toInt()
        val width = cells[6].toInt()
        val channels = cells[7].toInt()
        val name = cells[8]

        fun read(what: String): ByteArray = Resources.read("golden/$file.$what")

        /** Numbers of any of the types as floats. */
        fun floats(what: String): FloatArray {
            val bytes = read(what)
            return if (type == "uint8") {
                FloatArray(bytes.size) { (bytes[it].toInt() and 0xFF).toFloat() }
            } else {
                Resources.floats(bytes)
            }
        }

        fun integers(what: String): IntArray {
            val bytes = read(what)
            val values = IntArray(bytes.size / 4)
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(values)
            return values
        }
    }

    fun of(side: String, kind: String): List<Vector> =
        Resources.rows("golden/vectors.csv").map { Vector(it) }.filter { it.side == side && it.kind == kind }

    /** The output as a device would give it. */
    fun output(tensor: Tensor, bytes: ByteArray): ByteBuffer {
        val output = tensor.allocate()
        output.put(bytes)
        return output // at its end, as TFLite leaves it
    }
}
