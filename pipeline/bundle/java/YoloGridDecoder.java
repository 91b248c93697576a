package dev.kerasint8.contract;

/** YOLOv5's raw grids: offsets from cells and anchors, before any sigmoid. */
final class YoloGridDecoder {
    private final Grid[] grids;
    private final int values;
    private final int inputHeight;
    private final int inputWidth;

    /** @param values of a box: its four, how sure it is an object, and a score a class. */
    YoloGridDecoder(int values, int inputHeight, int inputWidth, Grid... grids) {
        this.values = values;
        this.inputHeight = inputHeight;
        this.inputWidth = inputWidth;
        this.grids = grids;
    }

    /** @param outputs the grids one after the other. */
    Candidates decode(float[] outputs) {
        return new Candidates() {
            @Override
            int count() {
                return outputs.length / values;
            }

            @Override
            int columns() {
                return values - 5;
            }

            @Override
            float score(int box, int column) {
                return Activation.sigmoid(read(box, 4)) * Activation.sigmoid(read(box, 5 + column));
            }

            @Override
            void corners(int box, float[] into) {
                int start = 0;
                Grid grid = grids[0];
                for (int level = 1; box - start >= grid.boxes(); level++) {
                    start += grid.boxes();
                    grid = grids[level];
                }
                int anchor = (box - start) % grid.anchors();
                int cell = (box - start) / grid.anchors();
                float x = Activation.sigmoid(read(box, 0)) * 2f - 0.5f + cell % grid.columns;
                float y = Activation.sigmoid(read(box, 1)) * 2f - 0.5f + cell / grid.columns;
                float width = Activation.sigmoid(read(box, 2)) * 2f;
                float height = Activation.sigmoid(read(box, 3)) * 2f;
                set(into, y / grid.rows, x / grid.columns,
                        height * height * grid.shapes[2 * anchor + 1] / inputHeight,
                        width * width * grid.shapes[2 * anchor] / inputWidth);
            }

            /** Boxes are counted cell by cell; some outputs have them anchor by anchor. */
            private float read(int box, int value) {
                int start = 0;
                int level = 0;
                while (box - start >= grids[level].boxes()) {
                    start += grids[level++].boxes();
                }
                Grid grid = grids[level];
                int place = box - start;
                if (grid.anchorsFirst) {
                    place = place % grid.anchors() * grid.rows * grid.columns + place / grid.anchors();
                }
                return outputs[(start + place) * values + value];
            }
        };
    }

    /** One level. */
    static final class Grid {
        private final int rows;
        private final int columns;
        private final boolean anchorsFirst;
        private final float[] shapes;

        /**
         * @param anchorsFirst whether the output is [anchors, rows, columns, values].
         * @param shapes width and height of each anchor in pixels of the input.
         */
        Grid(int rows, int columns, boolean anchorsFirst, float... shapes) {
            this.rows = rows;
            this.columns = columns;
            this.anchorsFirst = anchorsFirst;
            this.shapes = shapes;
        }

        int anchors() {
            return shapes.length / 2;
        }

        int boxes() {
            return rows * columns * anchors();
        }
    }
}
