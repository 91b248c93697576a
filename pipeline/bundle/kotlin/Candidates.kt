package dev.kerasint8.contract

/** What a decoder reads out of a model's outputs: more boxes than there are objects. */
internal abstract class Candidates(
    /** How many boxes. */
    val count: Int,
    /** How many scores a box has. */
    val columns: Int,
) {
    abstract fun score(box: Int, column: Int): Float

    /** Sets y_min, x_min, y_max, x_max: shares of the input, beyond 0 to 1 too. */
    abstract fun corners(box: Int, into: FloatArray)

    /** The class that a score is for. */
    open fun classOf(box: Int, column: Int): Int = column

    /** From a centre and half of the sides, y before x. */
    protected fun set(into: FloatArray, y: Float, x: Float, height: Float, width: Float) {
        val halfHeight = height / 2f
        val halfWidth = width / 2f
        into[0] = y - halfHeight
        into[1] = x - halfWidth
        into[2] = y + halfHeight
        into[3] = x + halfWidth
    }
}
