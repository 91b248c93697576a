package dev.kerasint8.contract

import kotlin.math.max
import kotlin.math.sqrt

/** At each point the distances to a box's four sides. */
internal class FcosDecoder(
    /** Each the centre of a square of one stride. */
    private val points: Anchors,
    /** What distances are multiplied by to be shares of the input's height and width; 0: a point's stride. */
    private val unitHeight: Float,
    private val unitWidth: Float,
    /** Where the distance to the top stands: 0, or 1 behind that to the left. */
    private val first: Int,
    private val classes: Int,
    private val activation: Activation,
) {
    fun decode(distances: FloatArray, scores: FloatArray, centerness: FloatArray?): Candidates {
        val applied = probabilities(scores)
        val middle = centerness?.let { probabilities(it) }
        return object : Candidates(points.count, classes) {
            override fun score(box: Int, column: Int): Float {
                val score = applied[box * classes + column]
                return if (middle == null) score else sqrt((score * middle[box]).toDouble()).toFloat()
            }

            override fun corners(box: Int, into: FloatArray) {
                val tall = if (unitHeight == 0f) points.height(box) else unitHeight
                val wide = if (unitWidth == 0f) points.width(box) else unitWidth
                into[0] = points.y(box) - distances[4 * box + first] * tall
                into[1] = points.x(box) - distances[4 * box + 1 - first] * wide
                into[2] = points.y(box) + distances[4 * box + 2 + first] * tall
                into[3] = points.x(box) + distances[4 * box + 3 - first] * wide
            }
        }
    }

    private fun probabilities(values: FloatArray): FloatArray {
        val applied = activation.apply(values, 1)
        for (index in applied.indices) applied[index] = max(applied[index], 0f)
        return applied
    }
}
