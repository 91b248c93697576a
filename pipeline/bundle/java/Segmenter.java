package dev.kerasint8.contract;

/**
 * From a map of scores to the class of each pixel of a photo: the scores are resized to the input's size, bilinearly with
 * half-pixel centres in float, rows first; the highest is the class, of equal ones the lower; and each pixel of the photo
 * has the class of the pixel of the input that its middle lies in.
 */
final class Segmenter {
    private final int rows;
    private final int columns;
    private final int channels;
    private final boolean numbers;
    private final float limit;
    private final int height;
    private final int width;

    /**
     * @param rows of the output.
     * @param columns of the output.
     * @param channels scores of a pixel; one is the score of class 1 of two.
     * @param numbers whether the output holds the classes themselves.
     * @param limit what one channel must be above to be class 1.
     * @param height of the input.
     * @param width of the input.
     */
    Segmenter(int rows, int columns, int channels, boolean numbers, float limit, int height, int width) {
        this.rows = rows;
        this.columns = columns;
        this.channels = channels;
        this.numbers = numbers;
        this.limit = limit;
        this.height = height;
        this.width = width;
    }

    Segments read(float[] output, Placement placement) {
        byte[] small = numbers ? nearest(output) : best(output);
        int[] down = placement.rows(height);
        int[] across = placement.columns(width);
        byte[] classes = new byte[down.length * across.length];
        for (int y = 0; y < down.length; y++) {
            for (int x = 0; x < across.length; x++) {
                boolean seen = down[y] >= 0 && across[x] >= 0;
                classes[y * across.length + x] = seen ? small[down[y] * width + across[x]] : (byte) Segments.OUTSIDE;
            }
        }
        return new Segments(classes, down.length, across.length);
    }

    private byte[] nearest(float[] output) {
        byte[] classes = new byte[height * width];
        for (int y = 0; y < height; y++) {
            int row = (2 * y + 1) * rows / (2 * height);
            for (int x = 0; x < width; x++) {
                classes[y * width + x] = (byte) output[row * columns + (2 * x + 1) * columns / (2 * width)];
            }
        }
        return classes;
    }

    private byte[] best(float[] output) {
        Places down = new Places(rows, height);
        Places across = new Places(columns, width);
        byte[] classes = new byte[height * width];
        float[] line = new float[columns * channels];
        float[] scores = new float[channels];
        for (int y = 0; y < height; y++) {
            int first = down.first[y] * line.length;
            int second = down.second[y] * line.length;
            for (int index = 0; index < line.length; index++) {
                line[index] = down.between(output[first + index], output[second + index], y);
            }
            for (int x = 0; x < width; x++) {
                for (int channel = 0; channel < channels; channel++) {
                    float left = line[across.first[x] * channels + channel];
                    scores[channel] = across.between(left, line[across.second[x] * channels + channel], x);
                }
                classes[y * width + x] = (byte) highest(scores);
            }
        }
        return classes;
    }

    private int highest(float[] scores) {
        if (scores.length == 1) {
            return scores[0] > limit ? 1 : 0;
        }
        int best = 0;
        for (int index = 1; index < scores.length; index++) {
            best = scores[index] > scores[best] ? index : best;
        }
        return best;
    }

    /** For each new place along an axis the two old ones around it, and how far it is from the first to the second. */
    private static final class Places {
        final int[] first;
        final int[] second;
        private final float[] share;
        private final boolean same;

        Places(int own, int wanted) {
            same = own == wanted;
            first = new int[wanted];
            second = new int[wanted];
            share = new float[wanted];
            float scale = (float) ((double) own / wanted);
            for (int index = 0; index < wanted; index++) {
                float place = same ? index : (index + 0.5f) * scale - 0.5f;
                float low = (float) Math.floor(place);
                share[index] = place - low;
                first[index] = Math.max(0, Math.min(own - 1, (int) low));
                second[index] = Math.max(0, Math.min(own - 1, (int) low + 1));
            }
        }

        float between(float one, float other, int index) {
            return same ? one : one + (other - one) * share[index];
        }
    }
}
