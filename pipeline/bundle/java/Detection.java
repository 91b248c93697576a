package dev.kerasint8.contract;

/** An object that was found, and where it is in the photo. */
public final class Detection {
    /** The number of its class. */
    public final int index;
    /** The name of its class; the number where there is none. */
    public final String label;
    public final float score;
    /** The edges of its box in pixels of the photo, within it: 0 is the upper edge of the first row. */
    public final float top;
    public final float left;
    public final float bottom;
    public final float right;

    Detection(int index, String label, float score, float top, float left, float bottom, float right) {
        this.index = index;
        this.label = label;
        this.score = score;
        this.top = top;
        this.left = left;
        this.bottom = bottom;
        this.right = right;
    }

    @Override
    public String toString() {
        return label + " " + score + " at " + top + ", " + left + " to " + bottom + ", " + right;
    }
}
