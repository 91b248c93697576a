package dev.kerasint8.contract;

/** What is still to be done to a model's scores; worked out in double and rounded once, as the host does. */
enum Activation {
    NONE,
    SIGMOID,
    SOFTMAX;

    static float sigmoid(float value) {
        return (float) (1 / (1 + Math.exp(-(double) value)));
    }

    static float exp(float value) {
        return (float) Math.exp(value);
    }

    /** All values, row by row of so many. */
    float[] apply(float[] values, int row) {
        float[] applied = values.clone();
        for (int start = 0; this == SOFTMAX && start < values.length; start += row) {
            softmax(values, applied, start, row);
        }
        for (int index = 0; this == SIGMOID && index < values.length; index++) {
            applied[index] = sigmoid(values[index]);
        }
        return applied;
    }

    private static void softmax(float[] values, float[] applied, int start, int row) {
        double largest = values[start];
        for (int index = start; index < start + row; index++) {
            largest = Math.max(largest, values[index]);
        }
        double[] powers = new double[row];
        double total = 0;
        for (int index = 0; index < row; index++) {
            powers[index] = Math.exp(values[start + index] - largest);
            total += powers[index];
        }
        for (int index = 0; index < row; index++) {
            applied[start + index] = (float) (powers[index] / total);
        }
    }
}
