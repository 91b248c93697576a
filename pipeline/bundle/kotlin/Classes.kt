package dev.kerasint8.contract

import kotlin.math.exp

/** From a classifier's scores to answers. */
object Classes {
    /** A class and how probable it is. */
    data class Answer(val index: Int, val label: String, val probability: Float)

    /**
     * Probabilities of all classes.
     *
     * @param scores the model's outputs, dequantized; one alone is the score of class 1 of two.
     * @param activated whether the model has applied its softmax or sigmoid itself. Applying it twice is a common mistake.
     */
    internal fun probabilities(scores: FloatArray, activated: Boolean): FloatArray {
        if (scores.size == 1) {
            val one = if (activated) scores[0] else (1 / (1 + exp(-scores[0].toDouble()))).toFloat()
            return floatArrayOf(1 - one, one)
        }
        if (activated) return scores
        var largest = scores[0].toDouble()
        for (score in scores) largest = maxOf(largest, score.toDouble())
        val powers = DoubleArray(scores.size) { exp(scores[it] - largest) }
        val total = powers.sum()
        return FloatArray(scores.size) { (powers[it] / total).toFloat() }
    }

    /**
     * A probability for each label by itself: several may hold at once.
     *
     * @param scores the model's outputs, dequantized.
     * @param activated whether the model has applied its sigmoid itself.
     */
    internal fun each(scores: FloatArray, activated: Boolean): FloatArray =
        if (activated) scores else FloatArray(scores.size) { (1 / (1 + exp(-scores[it].toDouble()))).toFloat() }

    /** The most probable classes first, at most `count`; of equal ones the lower index first. */
    internal fun top(probabilities: FloatArray, labels: List<String>, count: Int): List<Answer> =
        probabilities.indices
            .map { Answer(it, labels.getOrElse(it) { index -> index.toString() }, probabilities[it]) }
            .sortedByDescending { it.probability } // stable
            .take(count)
}
