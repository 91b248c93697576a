package dev.kerasint8.contract

/** A point that was found, and where it is in the photo. */
class Keypoint(
    /** Its number. */
    val index: Int,
    /** Its name; the number where there is none. */
    val label: String,
    /** In pixels of the photo, from the upper edge; outside of the photo too. */
    val y: Float,
    /** In pixels of the photo, from the left edge. */
    val x: Float,
    /** What the model says of it: the highest value of its map, or the third of its values; 1 where there is none. */
    val score: Float,
) {
    override fun toString(): String = "$label $score at $y, $x"
}
