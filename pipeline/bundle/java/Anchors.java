package dev.kerasint8.contract;

/** The boxes that a detector's outputs are relative to: centre y, centre x, height, width as shares of the input. */
final class Anchors {
    private final float[] values;

    private Anchors(float[] values) {
        this.values = values;
    }

    /** Level by level, row by row, cell by cell, and the boxes of a cell side by side. */
    static Anchors of(Level... levels) {
        int count = 0;
        for (Level level : levels) {
            count += level.rows * level.columns * (level.shapes.length / 2);
        }
        float[] values = new float[4 * count];
        int place = 0;
        for (Level level : levels) {
            for (int row = 0; row < level.rows; row++) {
                for (int column = 0; column < level.columns; column++) {
                    for (int shape = 0; shape < level.shapes.length; shape += 2) {
                        values[place++] = (float) ((row + 0.5) / level.rows);
                        values[place++] = (float) ((column + 0.5) / level.columns);
                        values[place++] = (float) level.shapes[shape];
                        values[place++] = (float) level.shapes[shape + 1];
                    }
                }
            }
        }
        return new Anchors(values);
    }

    /** From a table: the bits of each number as 8 hexadecimal digits. */
    static Anchors of(String... digits) {
        StringBuilder joined = new StringBuilder();
        for (String part : digits) {
            joined.append(part);
        }
        float[] values = new float[joined.length() / 8];
        for (int index = 0; index < values.length; index++) {
            values[index] = Float.intBitsToFloat((int) Long.parseLong(joined.substring(8 * index, 8 * index + 8), 16));
        }
        return new Anchors(values);
    }

    int count() {
        return values.length / 4;
    }

    float y(int anchor) {
        return values[4 * anchor];
    }

    float x(int anchor) {
        return values[4 * anchor + 1];
    }

    float height(int anchor) {
        return values[4 * anchor + 2];
    }

    float width(int anchor) {
        return values[4 * anchor + 3];
    }

    /** Cells, and height and width of the boxes of each. */
    static final class Level {
        private final int rows;
        private final int columns;
        private final double[] shapes;

        Level(int rows, int columns, double... shapes) {
            this.rows = rows;
            this.columns = columns;
            this.shapes = shapes;
        }
    }
}
