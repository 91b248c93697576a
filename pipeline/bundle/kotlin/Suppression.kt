package dev.kerasint8.contract

import kotlin.math.max
import kotlin.math.min

/**
 * From candidates to the few boxes that are answered, in float and in the host's order, so that equal scores, which int8
 * has many, give the same boxes:
 *
 * 1. Scores of at least the threshold, in the order of the boxes, then of the classes.
 * 2. The highest first; of equal ones the earlier. So many at most are looked at.
 * 3. One after the other: a box is taken unless one of its class that was taken before overlaps it by more than the
 *    threshold; until there are as many as wanted.
 * 4. What is taken is clipped to the input, then to the photo; a box that lies beside the photo is left out.
 */
internal class Suppression(
    /** Pairs of a box and a class that are looked at. */
    private val most: Int,
    private val scoreThreshold: Float,
    /** Above 1 where the model suppresses itself. */
    private val iouThreshold: Float,
    private val maxBoxes: Int,
) {
    fun choose(candidates: Candidates, labels: List<String>, placement: Placement): List<Detection> {
        val pairs = best(candidates)
        val dropped = BooleanArray(pairs.size)
        val found = ArrayList<Detection>()
        var taken = 0
        for (index in pairs.indices) {
            if (taken == maxBoxes) break
            if (dropped[index]) continue
            val pair = pairs[index]
            taken++
            detection(pair, labels, placement)?.let { found.add(it) }
            if (iouThreshold > 1) continue
            for (other in index + 1 until pairs.size) {
                if (!dropped[other] && pairs[other].index == pair.index) {
                    dropped[other] = !(overlap(pairs[other], pair) <= iouThreshold)
                }
            }
        }
        return found
    }

    private fun best(candidates: Candidates): List<Pair> {
        val pairs = ArrayList<Pair>()
        for (box in 0 until candidates.count) {
            for (column in 0 until candidates.columns) {
                val score = candidates.score(box, column)
                if (score >= scoreThreshold) pairs.add(Pair(box, candidates.classOf(box, column), score))
            }
        }
        // Stable; and -0 is 0, which Float.compareTo tells apart.
        pairs.sortWith { one, other -> if (one.score > other.score) -1 else if (one.score < other.score) 1 else 0 }
        val first = pairs.take(most)
        for (pair in first) {
            candidates.corners(pair.box, pair.corners)
            pair.area = max(pair.corners[2] - pair.corners[0], 0f) * max(pair.corners[3] - pair.corners[1], 0f)
        }
        return first
    }

    private fun overlap(one: Pair, other: Pair): Float {
        val height = min(one.corners[2], other.corners[2]) - max(one.corners[0], other.corners[0])
        val width = min(one.corners[3], other.corners[3]) - max(one.corners[1], other.corners[1])
        val shared = max(height, 0f) * max(width, 0f)
        val whole = one.area + other.area - shared
        return if (whole > 0) shared / whole else 0f
    }

    /** Null where it lies beside the photo. */
    private fun detection(pair: Pair, labels: List<String>, placement: Placement): Detection? {
        val edges = FloatArray(4) { side ->
            val share = max(0f, min(1f, pair.corners[side])).toDouble()
            val place = if (side % 2 == 0) placement.y(share) else placement.x(share)
            val most = if (side % 2 == 0) placement.photoHeight else placement.photoWidth
            max(0.0, min(most.toDouble(), place)).toFloat()
        }
        if (!(edges[0] < edges[2] && edges[1] < edges[3])) return null
        val label = labels.getOrNull(pair.index) ?: pair.index.toString()
        return Detection(pair.index, label, pair.score, edges[0], edges[1], edges[2], edges[3])
    }

    /** A box and one of its classes. */
    private class Pair(val box: Int, val index: Int, val score: Float) {
        val corners = FloatArray(4)
        var area = 0f
    }
}
