package dev.kerasint8.contract

import kotlin.math.max
import kotlin.math.min

/** A heat map whose peaks are the objects' centres, and what size they are. */
internal class CenterNetDecoder(
    /** Rows and columns of the maps. */
    private val height: Int,
    private val width: Int,
    private val classes: Int,
    /** What sizes are divided by to be shares of the input's height and width. */
    private val unitHeight: Float,
    private val unitWidth: Float,
    /** Where y and height stand in a pair: 0, or 1 behind x and width. */
    private val first: Int,
    private val activation: Activation,
) {
    /** No offset: centres are in the middle of their cells. */
    fun decode(heatmap: FloatArray, size: FloatArray, offset: FloatArray?): Candidates {
        val heat = activation.apply(heatmap, classes)
        return object : Candidates(height * width, classes) {
            override fun score(box: Int, column: Int): Float {
                val score = heat[box * classes + column]
                val row = box / width
                val place = box % width
                for (y in max(0, row - 1) until min(height, row + 2)) {
                    for (x in max(0, place - 1) until min(width, place + 2)) {
                        if (heat[(y * width + x) * classes + column] > score) return -1f
                    }
                }
                return score
            }

            override fun corners(box: Int, into: FloatArray) {
                val y = if (offset == null) 0.5f else offset[2 * box + first]
                val x = if (offset == null) 0.5f else offset[2 * box + 1 - first]
                val tall = max(size[2 * box + first] / unitHeight, 0f)
                val wide = max(size[2 * box + 1 - first] / unitWidth, 0f)
                set(into, (box / width + y) / height, (box % width + x) / width, tall, wide)
            }
        }
    }
}
