package dev.kerasint8.contract

import kotlin.math.floor

/**
 * From a map of scores to the class of each pixel of a photo: the scores are resized to the input's size, bilinearly with
 * half-pixel centres in float, rows first; the highest is the class, of equal ones the lower; and each pixel of the photo
 * has the class of the pixel of the input that its middle lies in.
 */
internal class Segmenter(
    /** Of the output. */
    private val rows: Int,
    private val columns: Int,
    /** Scores of a pixel; one is the score of class 1 of two. */
    private val channels: Int,
    /** Whether the output holds the classes themselves. */
    private val numbers: Boolean,
    /** What one channel must be above to be class 1. */
    private val limit: Float,
    /** Of the input. */
    private val height: Int,
    private val width: Int,
) {
    fun read(output: FloatArray, placement: Placement): Segments {
        val small = if (numbers) nearest(output) else best(output)
        val down = placement.rows(height)
        val across = placement.columns(width)
        val classes = ByteArray(down.size * across.size) {
            val y = down[it / across.size]
            val x = across[it % across.size]
            if (y >= 0 && x >= 0) small[y * width + x] else Segments.OUTSIDE.toByte()
        }
        return Segments(classes, down.size, across.size)
    }

    private fun nearest(output: FloatArray): ByteArray =
        ByteArray(height * width) {
            val row = (2 * (it / width) + 1) * rows / (2 * height)
            output[row * columns + (2 * (it % width) + 1) * columns / (2 * width)].toInt().toByte()
        }

    private fun best(output: FloatArray): ByteArray {
        val down = Places(rows, height)
        val across = Places(columns, width)
        val classes = ByteArray(height * width)
        val line = FloatArray(columns * channels)
        val scores = FloatArray(channels)
        for (y in 0 until height) {
            val first = down.first[y] * line.size
            val second = down.second[y] * line.size
            for (index in line.indices) line[index] = down.between(output[first + index], output[second + index], y)
            for (x in 0 until width) {
                for (channel in 0 until channels) {
                    val left = line[across.first[x] * channels + channel]
                    scores[channel] = across.between(left, line[across.second[x] * channels + channel], x)
                }
                classes[y * width + x] = highest(scores).toByte()
            }
        }
        return classes
    }

    private fun highest(scores: FloatArray): Int {
        if (scores.size == 1) return if (scores[0] > limit) 1 else 0
        var best = 0
        for (index in scores.indices) if (scores[index] > scores[best]) best = index
        return best
    }

    /** For each new place along an axis the two old ones around it, and how far it is from the first to the second. */
    private class Places(own: Int, wanted: Int) {
        val first = IntArray(wanted)
        val second = IntArray(wanted)
        private val share = FloatArray(wanted)
        private val same = own == wanted

        init {
            val scale = (own.toDouble() / wanted).toFloat()
            for (index in 0 until wanted) {
                val place = if (same) index.toFloat() else (index + 0.5f) * scale - 0.5f
                val low = floor(place)
                share[index] = place - low
                first[index] = low.toInt().coerceIn(0, own - 1)
                second[index] = (low.toInt() + 1).coerceIn(0, own - 1)
            }
        }

        fun between(one: Float, other: Float, index: Int): Float =
            if (same) one else one + (other - one) * share[index]
    }
}
