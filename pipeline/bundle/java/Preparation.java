package dev.kerasint8.contract;

import java.nio.ByteBuffer;

/** From stored numbers to an input: scaled, then standardized by the training data's mean and standard deviation. */
final class Preparation {
    private final Scaling scaling;
    private final int channels;
    private final float[] mean;
    private final float[] std;
    private final int inner;

    /**
     * @param scaling comes first.
     * @param channels values beside each other that may be scaled by a mean and std of their own.
     * @param mean of each of the entries that are standardized alike, or of all; empty where nothing is standardized.
     * @param std the same.
     * @param inner how many values beside each other have the same mean.
     */
    Preparation(Scaling scaling, int channels, float[] mean, float[] std, int inner) {
        this.scaling = scaling;
        this.channels = channels;
        this.mean = mean.clone();
        this.std = std.clone();
        this.inner = inner;
    }

    float apply(float value, int index) {
        float scaled = scaling.apply(value, index % channels);
        if (mean.length == 0) {
            return scaled;
        }
        int entry = index / inner % mean.length;
        return (scaled - mean[entry]) / std[entry];
    }

    ByteBuffer encode(Tensor tensor, float[] values) {
        ByteBuffer input = tensor.allocate(values.length);
        for (int index = 0; index < values.length; index++) {
            tensor.put(input, apply(values[index], index));
        }
        input.rewind();
        return input;
    }
}
