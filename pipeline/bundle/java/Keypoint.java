package dev.kerasint8.contract;

/** A point that was found, and where it is in the photo. */
public final class Keypoint {
    /** Its number. */
    public final int index;
    /** Its name; the number where there is none. */
    public final String label;
    /** In pixels of the photo, from the upper edge; outside of the photo too. */
    public final float y;
    /** In pixels of the photo, from the left edge. */
    public final float x;
    /** What the model says of it: the highest value of its map, or the third of its values; 1 where there is none. */
    public final float score;

    Keypoint(int index, String label, float y, float x, float score) {
        this.index = index;
        this.label = label;
        this.y = y;
        this.x = x;
        this.score = score;
    }

    @Override
    public String toString() {
        return label + " " + score + " at " + y + ", " + x;
    }
}
