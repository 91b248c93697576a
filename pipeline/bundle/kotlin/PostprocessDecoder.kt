package dev.kerasint8.contract

/** The outputs of TensorFlow Lite's operator TFLite_Detection_PostProcess: boxes that are suppressed already. */
internal class PostprocessDecoder(
    /** Where y_min, x_min, y_max and x_max stand. */
    private val order: IntArray,
    /** The number that the model gives the first class. */
    private val firstClass: Int,
) {
    /** No count: all. */
    fun decode(boxes: FloatArray, classes: FloatArray, scores: FloatArray, count: FloatArray?): Candidates =
        object : Candidates(scores.size, 1) {
            override fun score(box: Int, column: Int): Float =
                if (count == null || box < Math.rint(count[0].toDouble())) scores[box] else -1f

            override fun classOf(box: Int, column: Int): Int = Math.rint(classes[box].toDouble()).toInt() - firstClass

            override fun corners(box: Int, into: FloatArray) {
                for (index in 0 until 4) into[index] = boxes[4 * box + order[index]]
            }
        }
}
