package dev.kerasint8.contract;

import java.util.Arrays;

/** An image of 8-bit channels, row by row, a pixel's channels beside each other: grey (1) or red, green, blue (3). */
public final class Image {
    public final byte[] pixels;
    public final int height;
    public final int width;
    public final int channels;

    public Image(byte[] pixels, int height, int width, int channels) {
        if (height < 1 || width < 1 || pixels.length != height * width * channels) {
            throw new IllegalArgumentException(
                    pixels.length + " bytes are no image of " + height + "x" + width + "x" + channels);
        }
        this.pixels = pixels;
        this.height = height;
        this.width = width;
        this.channels = channels;
    }

    /** Of what Android's {@code Bitmap.getPixels} gives: 0xAARRGGBB a pixel. Transparency is dropped. */
    public static Image ofArgb(int[] argb, int height, int width) {
        byte[] pixels = new byte[argb.length * 3];
        for (int index = 0; index < argb.length; index++) {
            pixels[3 * index] = (byte) (argb[index] >> 16);
            pixels[3 * index + 1] = (byte) (argb[index] >> 8);
            pixels[3 * index + 2] = (byte) argb[index];
        }
        return new Image(pixels, height, width, 3);
    }

    /** In grey by ITU-R 601 with 16-bit integers, as Pillow's convert("L"). */
    public Image grey() {
        if (channels == 1) {
            return this;
        }
        byte[] grey = new byte[height * width];
        for (int index = 0; index < grey.length; index++) {
            int red = pixels[3 * index] & 0xFF;
            int green = pixels[3 * index + 1] & 0xFF;
            int blue = pixels[3 * index + 2] & 0xFF;
            grey[index] = (byte) ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
        }
        return new Image(grey, height, width, 1);
    }

    /** Grey in three channels; an image that has three stays. */
    public Image rgb() {
        if (channels == 3) {
            return this;
        }
        byte[] rgb = new byte[pixels.length * 3];
        for (int index = 0; index < rgb.length; index++) {
            rgb[index] = pixels[index / 3];
        }
        return new Image(rgb, height, width, 3);
    }

    /** A part of it. */
    Image part(int top, int left, int partHeight, int partWidth) {
        byte[] part = new byte[partHeight * partWidth * channels];
        for (int row = 0; row < partHeight; row++) {
            System.arraycopy(pixels, ((top + row) * width + left) * channels, part, row * partWidth * channels,
                    partWidth * channels);
        }
        return new Image(part, partHeight, partWidth, channels);
    }

    /** It in the middle of a canvas of one grey, 0 to 255. */
    Image on(int canvasHeight, int canvasWidth, int grey) {
        int top = (canvasHeight - height) / 2;
        int left = (canvasWidth - width) / 2;
        byte[] canvas = new byte[canvasHeight * canvasWidth * channels];
        Arrays.fill(canvas, (byte) grey);
        for (int row = 0; row < height; row++) {
            System.arraycopy(pixels, row * width * channels, canvas, ((top + row) * canvasWidth + left) * channels,
                    width * channels);
        }
        return new Image(canvas, canvasHeight, canvasWidth, channels);
    }
}
