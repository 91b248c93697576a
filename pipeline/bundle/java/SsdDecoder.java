package dev.kerasint8.contract;

/** Offsets from anchors beside scores. */
final class SsdDecoder {
    private final Anchors anchors;
    private final int[] order;
    private final float[] variances;
    private final boolean linear;
    private final int width;
    private final int columns;
    private final int skipped;
    private final int classes;
    private final Activation activation;

    /**
     * @param order where y, x, height and width stand among a box's values.
     * @param variances what they are multiplied by: y, x, height, width.
     * @param linear whether a side is a product too, not a power.
     * @param width values of a box, of which the first four are its offsets.
     * @param columns scores of a box, of which `classes` from `skipped` on are objects'.
     */
    SsdDecoder(
            Anchors anchors, int[] order, float[] variances, boolean linear, int width, int columns, int skipped,
            int classes, Activation activation) {
        this.anchors = anchors;
        this.order = order;
        this.variances = variances;
        this.linear = linear;
        this.width = width;
        this.columns = columns;
        this.skipped = skipped;
        this.classes = classes;
        this.activation = activation;
    }

    Candidates decode(float[] boxes, float[] scores) {
        float[] applied = activation.apply(scores, columns);
        return new Candidates() {
            @Override
            int count() {
                return anchors.count();
            }

            @Override
            int columns() {
                return classes;
            }

            @Override
            float score(int box, int column) {
                return applied[box * columns + skipped + column];
            }

            @Override
            void corners(int box, float[] into) {
                float[] scaled = new float[4];
                for (int index = 0; index < 4; index++) {
                    scaled[index] = boxes[box * width + order[index]] * variances[index];
                }
                float height = linear ? scaled[2] : Activation.exp(scaled[2]);
                float across = linear ? scaled[3] : Activation.exp(scaled[3]);
                set(into,
                        scaled[0] * anchors.height(box) + anchors.y(box),
                        scaled[1] * anchors.width(box) + anchors.x(box),
                        height * anchors.height(box), across * anchors.width(box));
            }
        };
    }
}
