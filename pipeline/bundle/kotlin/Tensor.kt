package dev.kerasint8.contract

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs

/** How real numbers are stored in a model's input or output: `real = scale * (stored - zeroPoint)`. */
class Tensor(
    val type: Type,
    /** Numbers in one example. */
    val size: Int,
    val scale: Float,
    val zeroPoint: Int,
) {
    /** The types that TFLite gives inputs and outputs. */
    enum class Type(internal val bytes: Int, internal val minimum: Int, internal val maximum: Int) {
        INT8(1, -128, 127),
        UINT8(1, 0, 255),
        INT16(2, -32768, 32767),
        INT32(4, Int.MIN_VALUE, Int.MAX_VALUE),

        /** Filled and read as far as an Int goes. */
        INT64(8, Int.MIN_VALUE, Int.MAX_VALUE),
        BOOL(1, 0, 1),
        FLOAT32(4, 0, 0),
    }

    /** A buffer of the tensor's size, as TFLite's Interpreter takes it. */
    fun allocate(): ByteBuffer = allocate(size)

    internal fun allocate(numbers: Int): ByteBuffer =
        ByteBuffer.allocateDirect(numbers * type.bytes).order(ByteOrder.nativeOrder())

    /**
     * What a real number is stored as: rounded in float, halves away from zero, clamped to the type.
     *
     * @throws IllegalArgumentException for NaN, which no integer can store.
     */
    fun quantize(real: Float): Int {
        require(!real.isNaN()) { "NaN cannot be stored as $type" }
        // Clamped first: the same result, and an infinite number can be rounded.
        val scaled = (real / scale).coerceIn((type.minimum - zeroPoint).toFloat(), (type.maximum - zeroPoint).toFloat())
        var whole = scaled.toInt() // towards zero
        // roundToInt would take -2.5 to -2, and adding a half fails just below one.
        if (abs(scaled - whole) >= 0.5f) {
            whole += if (scaled < 0) -1 else 1
        }
        return whole + zeroPoint
    }

    /** The real number that an integer is stored for. */
    fun dequantize(stored: Int): Float = (stored - zeroPoint) * scale

    /** Appends a real number to a buffer. */
    internal fun put(buffer: ByteBuffer, real: Float) {
        when (type) {
            Type.FLOAT32 -> buffer.putFloat(real)
            Type.INT16 -> buffer.putShort(quantize(real).toShort())
            else -> buffer.put(quantize(real).toByte())
        }
    }

    /** All real numbers of a buffer, from its beginning. Its position stays. */
    internal fun read(buffer: ByteBuffer): FloatArray {
        val from = buffer.duplicate().order(buffer.order())
        from.rewind()
        return FloatArray(size) {
            when (type) {
                Type.FLOAT32 -> from.getFloat()
                Type.INT16 -> dequantize(from.getShort().toInt())
                Type.UINT8 -> dequantize(from.get().toInt() and 0xFF) // a byte has a sign
                else -> dequantize(from.get().toInt())
            }
        }
    }

    /**
     * A buffer of whole numbers, stored as they are: token ids, counts, flags.
     *
     * @throws IllegalArgumentException for one that the type cannot hold.
     */
    internal fun encode(values: IntArray): ByteBuffer {
        val buffer = allocate(values.size)
        for (value in values) {
            require(value in type.minimum..type.maximum) { "$value cannot be stored as $type" }
            when (type.bytes) {
                8 -> buffer.putLong(value.toLong())
                4 -> buffer.putInt(value)
                2 -> buffer.putShort(value.toShort())
                else -> buffer.put(value.toByte())
            }
        }
        buffer.rewind()
        return buffer
    }

    /** All whole numbers of a buffer, from its beginning. Its position stays. */
    internal fun readIntegers(buffer: ByteBuffer): IntArray {
        val from = buffer.duplicate().order(buffer.order())
        from.rewind()
        return IntArray(size) {
            when (type.bytes) {
                8 -> from.getLong().toInt()
                4 -> from.getInt()
                2 -> from.getShort().toInt()
                else -> if (type == Type.UINT8) from.get().toInt() and 0xFF else from.get().toInt()
            }
        }
    }
}
