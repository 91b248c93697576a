package dev.kerasint8.contract

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The golden vectors, from the class path: the folder golden/ must be among the test's resources. */
internal object Golden {
    /** A line of golden/examples.csv. */
    class Example(line: String) {
        private val cells = line.split(",", limit = 7)
        private val number = cells[0].toInt()

        /** The data has pixels of 8 bits; otherwise numbers. */
        val bytes = cells[1] == "uint8"
        val height = cells[2].toInt()
        val width = cells[3].toInt()
        val channels = cells[4].toInt()
        val answer = cells[5].toInt()

        fun read(what: String): ByteArray = Golden.read("$number.$what")
    }

    val examples: List<Example>
        get() = String(read("examples.csv")).lines().drop(1).filter { it.isNotEmpty() }.map { Example(it) }

    val labels: List<String>
        get() = String(resource("/labels.txt")).removeSuffix("\n").split("\n")

    fun has(name: String): Boolean = Golden::class.java.getResource("/golden/$name") != null

    fun read(name: String): ByteArray = resource("/golden/$name")

    fun floats(bytes: ByteArray): FloatArray {
        val values = FloatArray(bytes.size / 4)
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values)
        return values
    }

    fun bytes(buffer: ByteBuffer): ByteArray {
        val bytes = ByteArray(buffer.remaining())
        buffer.duplicate().get(bytes)
        return bytes
    }

    /** The output as a device would give it. */
    fun output(bytes: ByteArray): ByteBuffer {
        val output = Contract.OUTPUT.allocate()
        output.put(bytes)
        return output // at its end, as TFLite leaves it
    }

    private fun resource(path: String): ByteArray {
        val found = Golden::class.java.getResourceAsStream(path)
        return checkNotNull(found) { "$path is not among the test's resources" }.use { it.readBytes() }
    }
}
