package dev.kerasint8.contract

import java.nio.ByteBuffer

/**
 * From stored numbers to an input: scaled, then standardized by the training data's mean and standard deviation.
 *
 * @param scaling comes first.
 * @param channels values beside each other that may be scaled by a mean and std of their own.
 * @param mean of each of the entries that are standardized alike, or of all; empty where nothing is standardized.
 * @param std the same.
 * @param inner how many values beside each other have the same mean.
 */
internal class Preparation(
    private val scaling: Scaling,
    private val channels: Int,
    private val mean: FloatArray,
    private val std: FloatArray,
    private val inner: Int,
) {
    fun apply(value: Float, index: Int): Float {
        val scaled = scaling.apply(value, index % channels)
        if (mean.isEmpty()) return scaled
        val entry = index / inner % mean.size
        return (scaled - mean[entry]) / std[entry]
    }

    fun encode(tensor: Tensor, values: FloatArray): ByteBuffer {
        val input = tensor.allocate(values.size)
        for (index in values.indices) tensor.put(input, apply(values[index], index))
        input.rewind()
        return input
    }
}
