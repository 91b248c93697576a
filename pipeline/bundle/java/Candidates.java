package dev.kerasint8.contract;

/** What a decoder reads out of a model's outputs: more boxes than there are objects. */
abstract class Candidates {
    /** How many boxes. */
    abstract int count();

    /** How many scores a box has. */
    abstract int columns();

    abstract float score(int box, int column);

    /** Sets y_min, x_min, y_max, x_max: shares of the input, beyond 0 to 1 too. */
    abstract void corners(int box, float[] into);

    /** The class that a score is for. */
    int classOf(int box, int column) {
        return column;
    }

    /** From a centre and half of the sides, y before x. */
    static void set(float[] into, float y, float x, float height, float width) {
        float halfHeight = height / 2f;
        float halfWidth = width / 2f;
        into[0] = y - halfHeight;
        into[1] = x - halfWidth;
        into[2] = y + halfHeight;
        into[3] = x + halfWidth;
    }
}
