package dev.kerasint8.contract;

/**
 * Pillow's resize, to the last bit: the model was trained on its pixels, and Android's own scaling gives others (it does
 * not average when it shrinks). Two passes of integer arithmetic with 22 fractional bits, rounded to 8 bits after each.
 */
public final class Resize {
    /** Pillow's filters; all but NEAREST average over what a pixel covers. */
    public enum Method {
        NEAREST(0),
        AREA(0.5),
        BILINEAR(1),
        BICUBIC(2),
        LANCZOS(3);

        /** Half of the filter's width, in pixels. */
        final double support;

        Method(double support) {
            this.support = support;
        }
    }

    /** How proportions are kept. */
    public enum Fit {
        /** They are not. */
        STRETCH,
        /** The largest part in the middle that has the target's. */
        CROP,
        /** The whole image, and padding around it. */
        PAD
    }

    private static final int BITS = 32 - 8 - 2;

    private Resize() {}

    /** Of {@code padding}, 0 to 255, is what PAD fills up with. */
    public static Image resize(Image image, int height, int width, Method method, Fit fit, int padding) {
        switch (fit) {
            case CROP:
                int partHeight = Math.max(1, Math.min(image.height, round((double) (image.width * (long) height) / width)));
                int partWidth = Math.max(1, Math.min(image.width, round((double) (image.height * (long) width) / height)));
                Image part = image.part((image.height - partHeight) / 2, (image.width - partWidth) / 2, partHeight, partWidth);
                return stretch(part, height, width, method);
            case PAD:
                double ratio = Math.min((double) height / image.height, (double) width / image.width);
                int innerHeight = Math.max(1, round(image.height * ratio));
                int innerWidth = Math.max(1, round(image.width * ratio));
                return stretch(image, innerHeight, innerWidth, method).on(height, width, padding);
            default:
                return stretch(image, height, width, method);
        }
    }

    /** Halves to even, as Python's round. */
    private static int round(double value) {
        return (int) Math.rint(value);
    }

    private static Image stretch(Image image, int height, int width, Method method) {
        if (image.height == height && image.width == width) {
            return image;
        }
        if (method == Method.NEAREST) {
            return nearest(image, height, width);
        }
        // The order decides what is rounded first. This is that of Pillow 13; before, it was always across first.
        boolean downFirst = height < image.height && image.height - height > 2 * (image.width - width);
        return downFirst
                ? across(down(image, height, method), width, method)
                : down(across(image, width, method), height, method);
    }

    private static Image across(Image image, int width, Method method) {
        return image.width == width ? image : horizontal(image, new Weights(image.width, width, method));
    }

    private static Image down(Image image, int height, Method method) {
        return image.height == height ? image : vertical(image, new Weights(image.height, height, method));
    }

    private static Image nearest(Image image, int height, int width) {
        int[] columns = nearest(image.width, width);
        int[] rows = nearest(image.height, height);
        int channels = image.channels;
        byte[] result = new byte[height * width * channels];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                System.arraycopy(image.pixels, (rows[y] * image.width + columns[x]) * channels, result,
                        (y * width + x) * channels, channels);
            }
        }
        return new Image(result, height, width, channels);
    }

    private static int[] nearest(int from, int to) {
        double step = (double) from / to;
        double place = step * 0.5;
        int[] places = new int[to];
        for (int index = 0; index < to; index++) {
            places[index] = Math.min(from - 1, (int) place);
            place += step; // added up, as Pillow does: a product may round to another pixel
        }
        return places;
    }

    private static Image horizontal(Image image, Weights weights) {
        int width = weights.first.length;
        int channels = image.channels;
        byte[] result = new byte[image.height * width * channels];
        for (int y = 0; y < image.height; y++) {
            for (int x = 0; x < width; x++) {
                int start = (y * image.width + weights.first[x]) * channels;
                for (int channel = 0; channel < channels; channel++) {
                    result[(y * width + x) * channels + channel] =
                            weights.sum(x, image.pixels, start + channel, channels);
                }
            }
        }
        return new Image(result, image.height, width, channels);
    }

    private static Image vertical(Image image, Weights weights) {
        int height = weights.first.length;
        int row = image.width * image.channels;
        byte[] result = new byte[height * row];
        for (int y = 0; y < height; y++) {
            for (int place = 0; place < row; place++) {
                result[y * row + place] = weights.sum(y, image.pixels, weights.first[y] * row + place, row);
            }
        }
        return new Image(result, height, image.width, image.channels);
    }

    /** What each result takes from which sources, along one axis. */
    private static final class Weights {
        final int[] first;
        private final int[][] weights;

        Weights(int from, int to, Method method) {
            first = new int[to];
            weights = new int[to][];
            double scale = (double) from / to;
            double stretch = Math.max(scale, 1);
            double support = method.support * stretch;
            double shrink = 1.0 / stretch;
            for (int index = 0; index < to; index++) {
                double center = (index + 0.5) * scale;
                int low = Math.max(0, (int) (center - support + 0.5));
                int high = Math.min(from, (int) (center + support + 0.5));
                double[] exact = new double[high - low];
                double total = 0;
                for (int tap = 0; tap < exact.length; tap++) {
                    exact[tap] = filter(method, (tap + low - center + 0.5) * shrink);
                    total += exact[tap];
                }
                first[index] = low;
                weights[index] = new int[exact.length];
                for (int tap = 0; tap < exact.length; tap++) {
                    double weight = total == 0 ? exact[tap] : exact[tap] / total;
                    weights[index][tap] = (int) ((weight < 0 ? -0.5 : 0.5) + weight * (1 << BITS));
                }
            }
        }

        byte sum(int index, byte[] pixels, int start, int step) {
            int sum = 1 << (BITS - 1);
            int place = start;
            for (int weight : weights[index]) {
                sum += (pixels[place] & 0xFF) * weight;
                place += step;
            }
            return (byte) Math.max(0, Math.min(255, sum >> BITS));
        }
    }

    private static double filter(Method method, double place) {
        double x = Math.abs(place);
        switch (method) {
            case AREA:
                return place > -0.5 && place <= 0.5 ? 1 : 0;
            case BILINEAR:
                return x < 1 ? 1 - x : 0;
            case BICUBIC:
                double a = -0.5;
                if (x < 1) {
                    return ((a + 2) * x - (a + 3)) * x * x + 1;
                }
                return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
            default: // LANCZOS
                return place >= -3 && place < 3 ? sinc(place) * sinc(place / 3) : 0;
        }
    }

    private static double sinc(double x) {
        return x == 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
    }
}
