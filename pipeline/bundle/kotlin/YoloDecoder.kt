package dev.kerasint8.contract

/** A box and its scores side by side, in one table or in several. */
internal class YoloDecoder(
    /** How many of a box's values each table has. */
    private val widths: IntArray,
    /** Whether a table is [values, boxes], else [boxes, values]. */
    private val valuesFirst: Boolean,
    /** Where y, x, height and width stand, or y_min, x_min, y_max and x_max. */
    private val order: IntArray,
    /** Whether a box is given by its centre and sides, else by its corners. */
    private val centred: Boolean,
    /** What corners are divided by to be shares of the input's height and width. */
    private val unitHeight: Float,
    private val unitWidth: Float,
    /** Whether a class's score is to be multiplied by the value before the first. */
    private val objectness: Boolean,
    private val activation: Activation,
) {
    /** @param tables one after the other. */
    fun decode(tables: FloatArray): Candidates {
        val wide = widths.sum()
        val table = table(tables, tables.size / wide, wide)
        val beside = if (objectness) 5 else 4
        return object : Candidates(tables.size / wide, wide - beside) {
            override fun score(box: Int, column: Int): Float {
                val score = activated(table[box * wide + beside + column])
                return if (objectness) activated(table[box * wide + 4]) * score else score
            }

            override fun corners(box: Int, into: FloatArray) {
                for (index in 0 until 4) into[index] = table[box * wide + order[index]]
                if (centred) set(into, into[0], into[1], into[2], into[3])
                for (index in 0 until 4) into[index] = into[index] / (if (index % 2 == 0) unitHeight else unitWidth)
            }
        }
    }

    private fun activated(value: Float): Float =
        if (activation == Activation.NONE) value else Activation.sigmoid(value)

    /** [boxes, values] */
    private fun table(tables: FloatArray, boxes: Int, wide: Int): FloatArray {
        val table = FloatArray(tables.size)
        var start = 0
        var first = 0
        for (width in widths) {
            for (box in 0 until boxes) {
                for (value in 0 until width) {
                    val place = if (valuesFirst) value * boxes + box else box * width + value
                    table[box * wide + first + value] = tables[start + place]
                }
            }
            start += boxes * width
            first += width
        }
        return table
    }
}
