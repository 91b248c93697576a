package dev.kerasint8.contract;

/** A heat map whose peaks are the objects' centres, and what size they are. */
final class CenterNetDecoder {
    private final int height;
    private final int width;
    private final int classes;
    private final float unitHeight;
    private final float unitWidth;
    private final int first;
    private final Activation activation;

    /**
     * @param height rows of the maps.
     * @param width columns of the maps.
     * @param unitHeight what sizes are divided by to be shares of the input's height.
     * @param unitWidth the same of its width.
     * @param first where y and height stand in a pair: 0, or 1 behind x and width.
     */
    CenterNetDecoder(
            int height, int width, int classes, float unitHeight, float unitWidth, int first, Activation activation) {
        this.height = height;
        this.width = width;
        this.classes = classes;
        this.unitHeight = unitHeight;
        this.unitWidth = unitWidth;
        this.first = first;
        this.activation = activation;
    }

    /** @param offset null where centres are in the middle of their cells. */
    Candidates decode(float[] heatmap, float[] size, float[] offset) {
        float[] heat = activation.apply(heatmap, classes);
        return new Candidates() {
            @Override
            int count() {
                return height * width;
            }

            @Override
            int columns() {
                return classes;
            }

            @Override
            float score(int box, int column) {
                float score = heat[box * classes + column];
                int row = box / width;
                int place = box % width;
                for (int y = Math.max(0, row - 1); y < Math.min(height, row + 2); y++) {
                    for (int x = Math.max(0, place - 1); x < Math.min(width, place + 2); x++) {
                        if (heat[(y * width + x) * classes + column] > score) {
                            return -1;
                        }
                    }
                }
                return score;
            }

            @Override
            void corners(int box, float[] into) {
                float y = offset == null ? 0.5f : offset[2 * box + first];
                float x = offset == null ? 0.5f : offset[2 * box + 1 - first];
                float tall = Math.max(size[2 * box + first] / unitHeight, 0);
                float wide = Math.max(size[2 * box + 1 - first] / unitWidth, 0);
                set(into, (box / width + y) / height, (box % width + x) / width, tall, wide);
            }
        };
    }
}
