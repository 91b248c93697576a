package dev.kerasint8.contract

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Files of the test's resources, by their path in the bundle: golden/ must be among them, and labels.txt where there is one. */
internal object Resources {
    fun has(path: String): Boolean = Resources::class.java.getResource("/$path") != null

    fun read(path: String): ByteArray {
        val found = Resources::class.java.getResourceAsStream("/$path")
        return checkNotNull(found) { "$path is not among the test's resources" }.use { it.readBytes() }
    }

    /** The lines of a table after its head. */
    fun rows(path: String): List<String> = String(read(path)).lines().drop(1).filter { it.isNotEmpty() }

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
}
