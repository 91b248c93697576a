package dev.kerasint8.contract

/** An object that was found, and where it is in the photo. */
class Detection(
    /** The number of its class. */
    val index: Int,
    /** The name of its class; the number where there is none. */
    val label: String,
    val score: Float,
    /** The edges of its box in pixels of the photo, within it: 0 is the upper edge of the first row. */
    val top: Float,
    val left: Float,
    val bottom: Float,
    val right: Float,
) {
    override fun toString(): String = "$label $score at $top, $left to $bottom, $right"
}
