package dev.kerasint8.contract;

/** At each point the distances to a box's four sides. */
final class FcosDecoder {
    private final Anchors points;
    private final float unitHeight;
    private final float unitWidth;
    private final int first;
    private final int classes;
    private final Activation activation;

    /**
     * @param points each the centre of a square of one stride.
     * @param unitHeight what distances are multiplied by to be shares of the input's height; 0: a point's stride.
     * @param unitWidth the same of its width.
     * @param first where the distance to the top stands: 0, or 1 behind that to the left.
     */
    FcosDecoder(Anchors points, float unitHeight, float unitWidth, int first, int classes, Activation activation) {
        this.points = points;
        this.unitHeight = unitHeight;
        this.unitWidth = unitWidth;
        this.first = first;
        this.classes = classes;
        this.activation = activation;
    }

    /** @param centerness null where there is none. */
    Candidates decode(float[] distances, float[] scores, float[] centerness) {
        float[] applied = probabilities(scores);
        float[] middle = centerness == null ? null : probabilities(centerness);
        return new Candidates() {
            @Override
            int count() {
                return points.count();
            }

            @Override
            int columns() {
                return classes;
            }

            @Override
            float score(int box, int column) {
                float score = applied[box * classes + column];
                return middle == null ? score : (float) Math.sqrt(score * middle[box]);
            }

            @Override
            void corners(int box, float[] into) {
                float tall = unitHeight == 0 ? points.height(box) : unitHeight;
                float wide = unitWidth == 0 ? points.width(box) : unitWidth;
                into[0] = points.y(box) - distances[4 * box + first] * tall;
                into[1] = points.x(box) - distances[4 * box + 1 - first] * wide;
                into[2] = points.y(box) + distances[4 * box + 2 + first] * tall;
                into[3] = points.x(box) + distances[4 * box + 3 - first] * wide;
            }
        };
    }

    private float[] probabilities(float[] values) {
        float[] applied = activation.apply(values, 1);
        for (int index = 0; index < applied.length; index++) {
            applied[index] = Math.max(applied[index], 0);
        }
        return applied;
    }
}
