package dev.kerasint8.contract

/** Offsets from anchors beside scores. */
internal class SsdDecoder(
    private val anchors: Anchors,
    /** Where y, x, height and width stand among a box's values. */
    private val order: IntArray,
    /** What they are multiplied by: y, x, height, width. */
    private val variances: FloatArray,
    /** Whether a side is a product too, not a power. */
    private val linear: Boolean,
    /** Values of a box, of which the first four are its offsets. */
    private val width: Int,
    /** Scores of a box, of which `classes` from `skipped` on are objects'. */
    private val columns: Int,
    private val skipped: Int,
    private val classes: Int,
    private val activation: Activation,
) {
    fun decode(boxes: FloatArray, scores: FloatArray): Candidates {
        val applied = activation.apply(scores, columns)
        val all = columns
        return object : Candidates(anchors.count, classes) {
            override fun score(box: Int, column: Int): Float = applied[box * all + skipped + column]

            override fun corners(box: Int, into: FloatArray) {
                val scaled = FloatArray(4) { boxes[box * width + order[it]] * variances[it] }
                val height = if (linear) scaled[2] else Activation.power(scaled[2])
                val across = if (linear) scaled[3] else Activation.power(scaled[3])
                set(
                    into,
                    scaled[0] * anchors.height(box) + anchors.y(box),
                    scaled[1] * anchors.width(box) + anchors.x(box),
                    height * anchors.height(box),
                    across * anchors.width(box),
                )
            }
        }
    }
}
