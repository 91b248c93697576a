package dev.kerasint8.contract

/** The class of each pixel of a photo. */
class Segments internal constructor(
    /** Row by row; above 127 to be read with `and 0xFF`. */
    val classes: ByteArray,
    val height: Int,
    val width: Int,
) {
    fun at(row: Int, column: Int): Int = classes[row * width + column].toInt() and 0xFF

    /**
     * The classes as colours, 0xAARRGGBB a pixel, to be laid over the photo: `Bitmap.setPixels` takes them.
     *
     * @param palette a colour a class; a class beyond it, and what the model did not see, is transparent.
     */
    fun argb(palette: IntArray): IntArray =
        IntArray(classes.size) {
            val number = classes[it].toInt() and 0xFF
            if (number < palette.size && number != OUTSIDE) palette[number] else 0
        }

    companion object {
        /** Of a pixel that the model did not see, since the photo was cropped. */
        const val OUTSIDE = 255

        /**
         * The colours of the PASCAL VOC masks: the bits of a class, spread over red, green and blue.
         *
         * @param alpha 0 (transparent) to 255; of class 0, most often the background, always 0.
         */
        fun palette(count: Int, alpha: Int): IntArray =
            IntArray(count) { number ->
                var colour = alpha shl 24
                for (bit in 0 until 8) {
                    colour = colour or ((number shr (3 * bit) and 1) shl (23 - bit))
                    colour = colour or ((number shr (3 * bit + 1) and 1) shl (15 - bit))
                    colour = colour or ((number shr (3 * bit + 2) and 1) shl (7 - bit))
                }
                if (number == 0) 0 else colour
            }
    }
}
