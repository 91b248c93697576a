package dev.kerasint8.contract

import java.nio.ByteBuffer

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
        get() = Resources.rows("golden/examples.csv").map { Example(it) }

    /** Empty where the bundle knows no names: answers are then shown as their numbers. */
    val labels: List<String>
        get() =
            if (!Resources.has("labels.txt")) emptyList()
            else String(Resources.read("labels.txt")).removeSuffix("\n").split("\n")

    fun has(name: String): Boolean = Resources.has("golden/$name")

    fun read(name: String): ByteArray = Resources.read("golden/$name")

    /** The output as a device would give it. */
    fun output(bytes: ByteArray): ByteBuffer {
        val output = Contract.OUTPUT.allocate()
        output.put(bytes)
        return output // at its end, as TFLite leaves it
    }
}
