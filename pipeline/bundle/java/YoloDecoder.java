package dev.kerasint8.contract;

/** A box and its scores side by side, in one table or in several. */
final class YoloDecoder {
    private final int[] widths;
    private final boolean valuesFirst;
    private final int[] order;
    private final boolean centred;
    private final float unitHeight;
    private final float unitWidth;
    private final boolean objectness;
    private final Activation activation;

    /**
     * @param widths how many of a box's values each table has.
     * @param valuesFirst whether a table is [values, boxes], else [boxes, values].
     * @param order where y, x, height and width stand, or y_min, x_min, y_max and x_max.
     * @param centred whether a box is given by its centre and sides, else by its corners.
     * @param unitHeight what corners are divided by to be shares of the input's height.
     * @param unitWidth the same of its width.
     * @param objectness whether a class's score is to be multiplied by the value before the first.
     */
    YoloDecoder(
            int[] widths, boolean valuesFirst, int[] order, boolean centred, float unitHeight, float unitWidth,
            boolean objectness, Activation activation) {
        this.widths = widths;
        this.valuesFirst = valuesFirst;
        this.order = order;
        this.centred = centred;
        this.unitHeight = unitHeight;
        this.unitWidth = unitWidth;
        this.objectness = objectness;
        this.activation = activation;
    }

    /** @param tables one after the other. */
    Candidates decode(float[] tables) {
        int values = 0;
        for (int width : widths) {
            values += width;
        }
        int wide = values;
        int boxes = tables.length / wide;
        float[] table = table(tables, boxes, wide);
        int beside = objectness ? 5 : 4;
        return new Candidates() {
            @Override
            int count() {
                return boxes;
            }

            @Override
            int columns() {
                return wide - beside;
            }

            @Override
            float score(int box, int column) {
                float score = activated(table[box * wide + beside + column]);
                return objectness ? activated(table[box * wide + 4]) * score : score;
            }

            @Override
            void corners(int box, float[] into) {
                for (int index = 0; index < 4; index++) {
                    into[index] = table[box * wide + order[index]];
                }
                if (centred) {
                    set(into, into[0], into[1], into[2], into[3]);
                }
                for (int index = 0; index < 4; index++) {
                    into[index] = into[index] / (index % 2 == 0 ? unitHeight : unitWidth);
                }
            }
        };
    }

    private float activated(float value) {
        return activation == Activation.NONE ? value : Activation.sigmoid(value);
    }

    /** [boxes, values] */
    private float[] table(float[] tables, int boxes, int wide) {
        float[] table = new float[tables.length];
        int start = 0;
        int first = 0;
        for (int width : widths) {
            for (int box = 0; box < boxes; box++) {
                for (int value = 0; value < width; value++) {
                    int place = valuesFirst ? value * boxes + box : box * width + value;
                    table[box * wide + first + value] = tables[start + place];
                }
            }
            start += boxes * width;
            first += width;
        }
        return table;
    }
}
