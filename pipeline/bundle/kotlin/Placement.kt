package dev.kerasint8.contract

import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

/** Where a photo lies in the model's input, so that what is found there is known in the photo. */
class Placement private constructor(
    val photoHeight: Int,
    val photoWidth: Int,
    private val down: Axis,
    private val across: Axis,
) {
    /** From a share of the input's height to pixels of the photo; beyond the photo's edges too. */
    internal fun y(share: Double): Double = down.toPhoto(share)

    /** From a share of the input's width to pixels of the photo; beyond the photo's edges too. */
    internal fun x(share: Double): Double = across.toPhoto(share)

    /** For each row of the photo the row, of so many in the input, that its middle lies in; -1 where it is outside. */
    internal fun rows(count: Int): IntArray = down.places(count)

    /** The same of columns. */
    internal fun columns(count: Int): IntArray = across.places(count)

    /**
     * The height or the width: the photo's side, of which `part` from `skipped` on is shown, and the input's, of which
     * `inner` from `offset` on shows it.
     */
    private class Axis(
        private val photo: Int,
        part: Int,
        skipped: Int,
        side: Int,
        inner: Int,
        offset: Int,
    ) {
        /** Where the photo's edges lie, as shares of the input. */
        private val start: Double
        private val end: Double

        init {
            val zoom = inner.toDouble() / part
            val first = offset - skipped * zoom
            start = first / side
            end = (first + photo * zoom) / side
        }

        fun toPhoto(share: Double): Double = (share - start) / (end - start) * photo

        fun places(count: Int): IntArray =
            IntArray(photo) {
                val place = floor((start + (it + 0.5) / photo * (end - start)) * count)
                if (place >= 0 && place < count) place.toInt() else -1
            }
    }

    companion object {
        /** The photo fills the input; its proportions are not kept. */
        fun stretch(photoHeight: Int, photoWidth: Int, height: Int, width: Int): Placement {
            val down = Axis(photoHeight, photoHeight, 0, height, height, 0)
            return Placement(photoHeight, photoWidth, down, Axis(photoWidth, photoWidth, 0, width, width, 0))
        }

        /** The largest part in the middle that has the input's proportions fills it. */
        fun crop(photoHeight: Int, photoWidth: Int, height: Int, width: Int): Placement {
            val partHeight = max(1, min(photoHeight, round((photoWidth * height.toLong()).toDouble() / width)))
            val partWidth = max(1, min(photoWidth, round((photoHeight * width.toLong()).toDouble() / height)))
            val down = Axis(photoHeight, partHeight, (photoHeight - partHeight) / 2, height, height, 0)
            val across = Axis(photoWidth, partWidth, (photoWidth - partWidth) / 2, width, width, 0)
            return Placement(photoHeight, photoWidth, down, across)
        }

        /** The whole photo lies in the middle of the input. */
        fun pad(photoHeight: Int, photoWidth: Int, height: Int, width: Int): Placement {
            val ratio = min(height.toDouble() / photoHeight, width.toDouble() / photoWidth)
            val innerHeight = max(1, round(photoHeight * ratio))
            val innerWidth = max(1, round(photoWidth * ratio))
            val down = Axis(photoHeight, photoHeight, 0, height, innerHeight, (height - innerHeight) / 2)
            val across = Axis(photoWidth, photoWidth, 0, width, innerWidth, (width - innerWidth) / 2)
            return Placement(photoHeight, photoWidth, down, across)
        }

        /** Halves to even, as Python's round. */
        private fun round(value: Double): Int = Math.rint(value).toInt()
    }
}
