package dev.kerasint8.contract

/** The boxes that a detector's outputs are relative to: centre y, centre x, height, width as shares of the input. */
internal class Anchors private constructor(private val values: FloatArray) {
    val count: Int = values.size / 4

    fun y(anchor: Int): Float = values[4 * anchor]

    fun x(anchor: Int): Float = values[4 * anchor + 1]

    fun height(anchor: Int): Float = values[4 * anchor + 2]

    fun width(anchor: Int): Float = values[4 * anchor + 3]

    /** Cells, and height and width of the boxes of each. */
    class Level(val rows: Int, val columns: Int, vararg val shapes: Double)

    companion object {
        /** Level by level, row by row, cell by cell, and the boxes of a cell side by side. */
        fun of(vararg levels: Level): Anchors {
            val values = FloatArray(levels.sumOf { 2 * it.rows * it.columns * it.shapes.size })
            var place = 0
            for (level in levels) {
                for (row in 0 until level.rows) {
                    for (column in 0 until level.columns) {
                        for (shape in level.shapes.indices step 2) {
                            values[place++] = ((row + 0.5) / level.rows).toFloat()
                            values[place++] = ((column + 0.5) / level.columns).toFloat()
                            values[place++] = level.shapes[shape].toFloat()
                            values[place++] = level.shapes[shape + 1].toFloat()
                        }
                    }
                }
            }
            return Anchors(values)
        }

        /** From a table: the bits of each number as 8 hexadecimal digits. */
        fun of(vararg digits: String): Anchors {
            val joined = digits.joinToString("")
            return Anchors(
                FloatArray(joined.length / 8) {
                    Float.fromBits(joined.substring(8 * it, 8 * it + 8).toLong(16).toInt())
                },
            )
        }
    }
}
