package dev.kerasint8.contract;

/** The outputs of TensorFlow Lite's operator TFLite_Detection_PostProcess: boxes that are suppressed already. */
final class PostprocessDecoder {
    private final int[] order;
    private final int firstClass;

    /**
     * @param order where y_min, x_min, y_max and x_max stand.
     * @param firstClass the number that the model gives the first class.
     */
    PostprocessDecoder(int[] order, int firstClass) {
        this.order = order;
        this.firstClass = firstClass;
    }

    /** @param count how many boxes there are; null: all. */
    Candidates decode(float[] boxes, float[] classes, float[] scores, float[] count) {
        return new Candidates() {
            @Override
            int count() {
                return scores.length;
            }

            @Override
            int columns() {
                return 1;
            }

            @Override
            float score(int box, int column) {
                return count == null || box < Math.rint(count[0]) ? scores[box] : -1;
            }

            @Override
            int classOf(int box, int column) {
                return (int) Math.rint(classes[box]) - firstClass;
            }

            @Override
            void corners(int box, float[] into) {
                for (int index = 0; index < 4; index++) {
                    into[index] = boxes[4 * box + order[index]];
                }
            }
        };
    }
}
