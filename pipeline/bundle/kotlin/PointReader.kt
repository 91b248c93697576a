package dev.kerasint8.contract

import kotlin.math.sign

/** From coordinates, or from heat maps, to points in a photo. */
internal class PointReader(
    /** Of the heat maps; 0 where the output holds coordinates. */
    private val rows: Int,
    private val columns: Int,
    /** Points. */
    private val count: Int,
    /** Of each point. */
    private val values: Int,
    /** Where y stands: 0, or 1 behind x. */
    private val first: Int,
    /** What y and x are divided by to be shares of the input's height and width. */
    private val unitHeight: Float,
    private val unitWidth: Float,
) {
    fun read(output: FloatArray, labels: List<String>, placement: Placement): List<Keypoint> =
        List(count) { index ->
            val (y, x, score) = if (rows > 0) peak(output, index) else coordinates(output, index)
            val label = labels.getOrNull(index) ?: index.toString()
            Keypoint(index, label, placement.y(y.toDouble()).toFloat(), placement.x(x.toDouble()).toFloat(), score)
        }

    private fun coordinates(output: FloatArray, point: Int): FloatArray {
        val start = point * values
        val score = if (values > 2) output[start + 2] else 1f
        return floatArrayOf(output[start + first] / unitHeight, output[start + 1 - first] / unitWidth, score)
    }

    /** The middle of the highest cell, a quarter of a cell nearer to the higher neighbour on each axis. */
    private fun peak(output: FloatArray, point: Int): FloatArray {
        var best = 0
        for (cell in 0 until rows * columns) {
            if (output[cell * count + point] > output[best * count + point]) best = cell
        }
        val row = best / columns
        val column = best % columns
        val down = at(output, point, row + 1, column) - at(output, point, row - 1, column)
        val across = at(output, point, row, column + 1) - at(output, point, row, column - 1)
        val y = row + 0.5 + 0.25 * sign(down)
        val x = column + 0.5 + 0.25 * sign(across)
        return floatArrayOf((y / rows).toFloat(), (x / columns).toFloat(), output[best * count + point])
    }

    private fun at(output: FloatArray, point: Int, row: Int, column: Int): Float =
        output[(row.coerceIn(0, rows - 1) * columns + column.coerceIn(0, columns - 1)) * count + point]
}
