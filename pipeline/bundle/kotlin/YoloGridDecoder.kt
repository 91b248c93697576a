package dev.kerasint8.contract

/** YOLOv5's raw grids: offsets from cells and anchors, before any sigmoid. */
internal class YoloGridDecoder(
    /** Of a box: its four, how sure it is an object, and a score a class. */
    private val values: Int,
    private val inputHeight: Int,
    private val inputWidth: Int,
    private vararg val grids: Grid,
) {
    /** @param outputs the grids one after the other. */
    fun decode(outputs: FloatArray): Candidates =
        object : Candidates(outputs.size / values, values - 5) {
            override fun score(box: Int, column: Int): Float =
                Activation.sigmoid(read(box, 4)) * Activation.sigmoid(read(box, 5 + column))

            override fun corners(box: Int, into: FloatArray) {
                val (grid, start) = gridOf(box)
                val anchor = (box - start) % grid.anchors
                val cell = (box - start) / grid.anchors
                val x = Activation.sigmoid(read(box, 0)) * 2f - 0.5f + cell % grid.columns
                val y = Activation.sigmoid(read(box, 1)) * 2f - 0.5f + cell / grid.columns
                val width = Activation.sigmoid(read(box, 2)) * 2f
                val height = Activation.sigmoid(read(box, 3)) * 2f
                set(
                    into,
                    y / grid.rows,
                    x / grid.columns,
                    height * height * grid.shapes[2 * anchor + 1] / inputHeight,
                    width * width * grid.shapes[2 * anchor] / inputWidth,
                )
            }

            /** Boxes are counted cell by cell; some outputs have them anchor by anchor. */
            private fun read(box: Int, value: Int): Float {
                val (grid, start) = gridOf(box)
                var place = box - start
                if (grid.anchorsFirst) {
                    place = place % grid.anchors * grid.rows * grid.columns + place / grid.anchors
                }
                return outputs[(start + place) * values + value]
            }
        }

    /** The level that a box lies in, and the number of its first box. */
    private fun gridOf(box: Int): Pair<Grid, Int> {
        var start = 0
        for (grid in grids) {
            if (box - start < grid.boxes) return Pair(grid, start)
            start += grid.boxes
        }
        throw IndexOutOfBoundsException("there is no box $box")
    }

    /** One level. */
    class Grid(
        val rows: Int,
        val columns: Int,
        /** Whether the output is [anchors, rows, columns, values]. */
        val anchorsFirst: Boolean,
        /** Width and height of each anchor in pixels of the input. */
        vararg val shapes: Float,
    ) {
        val anchors: Int = shapes.size / 2
        val boxes: Int = rows * columns * anchors
    }
}
