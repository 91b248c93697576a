package dev.kerasint8.contract

/** An image of 8-bit channels, row by row, a pixel's channels beside each other: grey (1) or red, green, blue (3). */
class Image(val pixels: ByteArray, val height: Int, val width: Int, val channels: Int) {
    init {
        require(height >= 1 && width >= 1 && pixels.size == height * width * channels) {
            "${pixels.size} bytes are no image of ${height}x${width}x$channels"
        }
    }

    /** In grey by ITU-R 601 with 16-bit integers, as Pillow's convert("L"). */
    fun grey(): Image {
        if (channels == 1) return this
        val grey = ByteArray(height * width) { index ->
            val (red, green, blue) = List(3) { pixels[3 * index + it].toInt() and 0xFF }
            ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) shr 16).toByte()
        }
        return Image(grey, height, width, 1)
    }

    /** Grey in three channels; an image that has three stays. */
    fun rgb(): Image = if (channels == 3) this else Image(ByteArray(pixels.size * 3) { pixels[it / 3] }, height, width, 3)

    /** A part of it. */
    internal fun part(top: Int, left: Int, partHeight: Int, partWidth: Int): Image {
        val part = ByteArray(partHeight * partWidth * channels)
        for (row in 0 until partHeight) {
            val from = ((top + row) * width + left) * channels
            pixels.copyInto(part, row * partWidth * channels, from, from + partWidth * channels)
        }
        return Image(part, partHeight, partWidth, channels)
    }

    /** It in the middle of a canvas of one grey, 0 to 255. */
    internal fun on(canvasHeight: Int, canvasWidth: Int, grey: Int): Image {
        val top = (canvasHeight - height) / 2
        val left = (canvasWidth - width) / 2
        val canvas = ByteArray(canvasHeight * canvasWidth * channels) { grey.toByte() }
        for (row in 0 until height) {
            val from = row * width * channels
            pixels.copyInto(canvas, ((top + row) * canvasWidth + left) * channels, from, from + width * channels)
        }
        return Image(canvas, canvasHeight, canvasWidth, channels)
    }

    companion object {
        /** Of what Android's `Bitmap.getPixels` gives: 0xAARRGGBB a pixel. Transparency is dropped. */
        fun ofArgb(argb: IntArray, height: Int, width: Int): Image {
            val pixels = ByteArray(argb.size * 3) { (argb[it / 3] shr (16 - 8 * (it % 3))).toByte() }
            return Image(pixels, height, width, 3)
        }
    }
}
