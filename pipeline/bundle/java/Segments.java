package dev.kerasint8.contract;

/** The class of each pixel of a photo. */
public final class Segments {
    /** Of a pixel that the model did not see, since the photo was cropped. */
    public static final int OUTSIDE = 255;

    /** Row by row; above 127 to be read with {@code & 0xFF}. */
    public final byte[] classes;
    public final int height;
    public final int width;

    Segments(byte[] classes, int height, int width) {
        this.classes = classes;
        this.height = height;
        this.width = width;
    }

    public int at(int row, int column) {
        return classes[row * width + column] & 0xFF;
    }

    /**
     * The classes as colours, 0xAARRGGBB a pixel, to be laid over the photo: {@code Bitmap.setPixels} takes them.
     *
     * @param palette a colour a class; a class beyond it, and what the model did not see, is transparent.
     */
    public int[] argb(int[] palette) {
        int[] argb = new int[classes.length];
        for (int index = 0; index < argb.length; index++) {
            int number = classes[index] & 0xFF;
            argb[index] = number < palette.length && number != OUTSIDE ? palette[number] : 0;
        }
        return argb;
    }

    /**
     * The colours of the PASCAL VOC masks: the bits of a class, spread over red, green and blue.
     *
     * @param alpha 0 (transparent) to 255; of class 0, most often the background, always 0.
     */
    public static int[] palette(int count, int alpha) {
        int[] palette = new int[count];
        for (int number = 1; number < count; number++) {
            int red = 0;
            int green = 0;
            int blue = 0;
            for (int bit = 0; bit < 8; bit++) {
                red |= (number >> (3 * bit) & 1) << (7 - bit);
                green |= (number >> (3 * bit + 1) & 1) << (7 - bit);
                blue |= (number >> (3 * bit + 2) & 1) << (7 - bit);
            }
            palette[number] = alpha << 24 | red << 16 | green << 8 | blue;
        }
        return palette;
    }
}
