package dev.kerasint8.contract

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A line of golden/answers.csv: what the host finds in a photo, given the model's outputs. */
internal class Answers private constructor(line: String) {
    private val cells = line.split(",")
    val height = cells[1].toInt()
    val width = cells[2].toInt()

    /** The outputs as a device would give them. */
    fun outputs(): Map<Int, Any> =
        cells[3].split(" ").withIndex().associate { (number, name) ->
            val bytes = Resources.read("golden/$name.output")
            val buffer = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.LITTLE_ENDIAN)
            buffer.put(bytes)
            number to buffer // at its end, as TFLite leaves it
        }

    fun read(what: String): ByteArray = Resources.read("golden/${cells[0]}.$what")

    companion object {
        fun all(): List<Answers> = Resources.rows("golden/answers.csv").map { Answers(it) }
    }
}
