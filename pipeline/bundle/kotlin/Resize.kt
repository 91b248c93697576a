package dev.kerasint8.contract

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

/**
 * Pillow's resize, to the last bit: the model was trained on its pixels, and Android's own scaling gives others (it does
 * not average when it shrinks). Two passes of integer arithmetic with 22 fractional bits, rounded to 8 bits after each.
 */
object Resize {
    /** Pillow's filters; all but NEAREST average over what a pixel covers. */
    enum class Method(
        /** Half of the filter's width, in pixels. */
        internal val support: Double,
    ) {
        NEAREST(0.0),
        AREA(0.5),
        BILINEAR(1.0),
        BICUBIC(2.0),
        LANCZOS(3.0),
    }

    /** How proportions are kept. */
    enum class Fit {
        /** They are not. */
        STRETCH,

        /** The largest part in the middle that has the target's. */
        CROP,

        /** The whole image, and padding around it. */
        PAD,
    }

    private const val BITS = 32 - 8 - 2

    /** Of [padding], 0 to 255, is what PAD fills up with. */
    fun resize(image: Image, height: Int, width: Int, method: Method, fit: Fit, padding: Int): Image =
        when (fit) {
            Fit.STRETCH -> stretch(image, height, width, method)
            Fit.CROP -> {
                val partHeight = max(1, min(image.height, round((image.width * height.toLong()).toDouble() / width)))
                val partWidth = max(1, min(image.width, round((image.height * width.toLong()).toDouble() / height)))
                val top = (image.height - partHeight) / 2
                val left = (image.width - partWidth) / 2
                stretch(image.part(top, left, partHeight, partWidth), height, width, method)
            }
            Fit.PAD -> {
                val ratio = min(height.toDouble() / image.height, width.toDouble() / image.width)
                val innerHeight = max(1, round(image.height * ratio))
                val innerWidth = max(1, round(image.width * ratio))
                stretch(image, innerHeight, innerWidth, method).on(height, width, padding)
            }
        }

    /** Halves to even, as Python's round. */
    private fun round(value: Double): Int = Math.rint(value).toInt()

    private fun stretch(image: Image, height: Int, width: Int, method: Method): Image {
        if (image.height == height && image.width == width) return image
        if (method == Method.NEAREST) return nearest(image, height, width)
        // The order decides what is rounded first. This is that of Pillow 13; before, it was always across first.
        val downFirst = height < image.height && image.height - height > 2 * (image.width - width)
        return if (downFirst) {
            across(down(image, height, method), width, method)
        } else {
            down(across(image, width, method), height, method)
        }
    }

    private fun across(image: Image, width: Int, method: Method): Image =
        if (image.width == width) image else horizontal(image, Weights(image.width, width, method))

    private fun down(image: Image, height: Int, method: Method): Image =
        if (image.height == height) image else vertical(image, Weights(image.height, height, method))

    private fun nearest(image: Image, height: Int, width: Int): Image {
        val columns = nearest(image.width, width)
        val rows = nearest(image.height, height)
        val channels = image.channels
        val result = ByteArray(height * width * channels)
        for (y in 0 until height) {
            for (x in 0 until width) {
                val from = (rows[y] * image.width + columns[x]) * channels
                image.pixels.copyInto(result, (y * width + x) * channels, from, from + channels)
            }
        }
        return Image(result, height, width, channels)
    }

    private fun nearest(from: Int, to: Int): IntArray {
        val step = from.toDouble() / to
        var place = step * 0.5
        return IntArray(to) {
            val index = min(from - 1, place.toInt())
            place += step // added up, as Pillow does: a product may round to another pixel
            index
        }
    }

    private fun horizontal(image: Image, weights: Weights): Image {
        val width = weights.first.size
        val channels = image.channels
        val result = ByteArray(image.height * width * channels)
        for (y in 0 until image.height) {
            for (x in 0 until width) {
                val start = (y * image.width + weights.first[x]) * channels
                for (channel in 0 until channels) {
                    result[(y * width + x) * channels + channel] = weights.sum(x, image.pixels, start + channel, channels)
                }
            }
        }
        return Image(result, image.height, width, channels)
    }

    private fun vertical(image: Image, weights: Weights): Image {
        val height = weights.first.size
        val row = image.width * image.channels
        val result = ByteArray(height * row)
        for (y in 0 until height) {
            for (place in 0 until row) {
                result[y * row + place] = weights.sum(y, image.pixels, weights.first[y] * row + place, row)
            }
        }
        return Image(result, height, image.width, image.channels)
    }

    /** What each result takes from which sources, along one axis. */
    private class Weights(from: Int, to: Int, method: Method) {
        val first = IntArray(to)
        private val weights: Array<IntArray>

        init {
            val scale = from.toDouble() / to
            val stretch = max(scale, 1.0)
            val support = method.support * stretch
            val shrink = 1.0 / stretch
            weights = Array(to) { index ->
                val center = (index + 0.5) * scale
                val low = max(0, (center - support + 0.5).toInt())
                val high = min(from, (center + support + 0.5).toInt())
                first[index] = low
                val exact = DoubleArray(high - low) { tap -> filter(method, (tap + low - center + 0.5) * shrink) }
                var total = 0.0
                for (weight in exact) total += weight
                IntArray(exact.size) { tap ->
                    val weight = if (total == 0.0) exact[tap] else exact[tap] / total
                    ((if (weight < 0) -0.5 else 0.5) + weight * (1 shl BITS)).toInt()
                }
            }
        }

        fun sum(index: Int, pixels: ByteArray, start: Int, step: Int): Byte {
            var sum = 1 shl (BITS - 1)
            var place = start
            for (weight in weights[index]) {
                sum += (pixels[place].toInt() and 0xFF) * weight
                place += step
            }
            return (sum shr BITS).coerceIn(0, 255).toByte()
        }
    }

    private fun filter(method: Method, place: Double): Double {
        val x = abs(place)
        return when (method) {
            Method.AREA, Method.NEAREST -> if (place > -0.5 && place <= 0.5) 1.0 else 0.0
            Method.BILINEAR -> if (x < 1) 1 - x else 0.0
            Method.BICUBIC -> {
                val a = -0.5
                when {
                    x < 1 -> ((a + 2) * x - (a + 3)) * x * x + 1
                    x < 2 -> (((x - 5) * x + 8) * x - 4) * a
                    else -> 0.0
                }
            }
            Method.LANCZOS -> if (place >= -3 && place < 3) sinc(place) * sinc(place / 3) else 0.0
        }
    }

    private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(x * Math.PI) / (x * Math.PI)
}
