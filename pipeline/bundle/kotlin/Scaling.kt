package dev.kerasint8.contract

/** From a stored value to the real number that the model was trained on, in float as the training did. */
class Scaling(private val kind: Kind, private val mean: FloatArray, private val std: FloatArray) {
    /** The formulas. */
    enum class Kind {
        /** x / 127.5 - 1 */
        MINUS_ONE_TO_ONE,

        /** x / 255 */
        ZERO_TO_ONE,

        /** x */
        RAW,

        /** (x - mean) / std, a pair a channel or one for all. */
        MEAN_STD,
    }

    fun apply(x: Float, channel: Int): Float =
        when (kind) {
            Kind.MINUS_ONE_TO_ONE -> x / 127.5f - 1f
            Kind.ZERO_TO_ONE -> x / 255f
            Kind.RAW -> x
            Kind.MEAN_STD -> (x - mean[if (mean.size == 1) 0 else channel]) / std[if (std.size == 1) 0 else channel]
        }
}
