package dev.kerasint8.contract;

/** From a stored value to the real number that the model was trained on, in float as the training did. */
public final class Scaling {
    /** The formulas. */
    public enum Kind {
        /** x / 127.5 - 1 */
        MINUS_ONE_TO_ONE,
        /** x / 255 */
        ZERO_TO_ONE,
        /** x */
        RAW,
        /** (x - mean) / std, a pair a channel or one for all. */
        MEAN_STD
    }

    private final Kind kind;
    private final float[] mean;
    private final float[] std;

    public Scaling(Kind kind, float[] mean, float[] std) {
        this.kind = kind;
        this.mean = mean.clone();
        this.std = std.clone();
    }

    public float apply(float x, int channel) {
        switch (kind) {
            case MINUS_ONE_TO_ONE:
                return x / 127.5f - 1f;
            case ZERO_TO_ONE:
                return x / 255f;
            case MEAN_STD:
                return (x - mean[mean.length == 1 ? 0 : channel]) / std[std.length == 1 ? 0 : channel];
            default:
                return x;
        }
    }
}
