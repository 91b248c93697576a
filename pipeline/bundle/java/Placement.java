package dev.kerasint8.contract;

/** Where a photo lies in the model's input, so that what is found there is known in the photo. */
public final class Placement {
    public final int photoHeight;
    public final int photoWidth;
    private final Axis down;
    private final Axis across;

    private Placement(int photoHeight, int photoWidth, Axis down, Axis across) {
        this.photoHeight = photoHeight;
        this.photoWidth = photoWidth;
        this.down = down;
        this.across = across;
    }

    /** The photo fills the input; its proportions are not kept. */
    public static Placement stretch(int photoHeight, int photoWidth, int height, int width) {
        Axis down = new Axis(photoHeight, photoHeight, 0, height, height, 0);
        Axis across = new Axis(photoWidth, photoWidth, 0, width, width, 0);
        return new Placement(photoHeight, photoWidth, down, across);
    }

    /** The largest part in the middle that has the input's proportions fills it. */
    public static Placement crop(int photoHeight, int photoWidth, int height, int width) {
        int partHeight = Math.max(1, Math.min(photoHeight, round((double) (photoWidth * (long) height) / width)));
        int partWidth = Math.max(1, Math.min(photoWidth, round((double) (photoHeight * (long) width) / height)));
        Axis down = new Axis(photoHeight, partHeight, (photoHeight - partHeight) / 2, height, height, 0);
        Axis across = new Axis(photoWidth, partWidth, (photoWidth - partWidth) / 2, width, width, 0);
        return new Placement(photoHeight, photoWidth, down, across);
    }

    /** The whole photo lies in the middle of the input. */
    public static Placement pad(int photoHeight, int photoWidth, int height, int width) {
        double ratio = Math.min((double) height / photoHeight, (double) width / photoWidth);
        int innerHeight = Math.max(1, round(photoHeight * ratio));
        int innerWidth = Math.max(1, round(photoWidth * ratio));
        Axis down = new Axis(photoHeight, photoHeight, 0, height, innerHeight, (height - innerHeight) / 2);
        Axis across = new Axis(photoWidth, photoWidth, 0, width, innerWidth, (width - innerWidth) / 2);
        return new Placement(photoHeight, photoWidth, down, across);
    }

    /** From a share of the input's height to pixels of the photo; beyond the photo's edges too. */
    double y(double share) {
        return down.toPhoto(share);
    }

    /** From a share of the input's width to pixels of the photo; beyond the photo's edges too. */
    double x(double share) {
        return across.toPhoto(share);
    }

    /** For each row of the photo the row, of so many in the input, that its middle lies in; -1 where it is outside. */
    int[] rows(int count) {
        return down.places(count);
    }

    /** The same of columns. */
    int[] columns(int count) {
        return across.places(count);
    }

    /** Halves to even, as Python's round. */
    private static int round(double value) {
        return (int) Math.rint(value);
    }

    /** The height or the width. */
    private static final class Axis {
        private final int photo;
        /** Where the photo's edges lie, as shares of the input. */
        private final double start;
        private final double end;

        /**
         * @param photo the photo's side, of which `part` from `skipped` on is shown.
         * @param side the input's side, of which `inner` from `offset` on shows it.
         */
        Axis(int photo, int part, int skipped, int side, int inner, int offset) {
            this.photo = photo;
            double zoom = (double) inner / part;
            double first = offset - skipped * zoom;
            start = first / side;
            end = (first + photo * zoom) / side;
        }

        double toPhoto(double share) {
            return (share - start) / (end - start) * photo;
        }

        int[] places(int count) {
            int[] places = new int[photo];
            for (int index = 0; index < photo; index++) {
                double place = Math.floor((start + (index + 0.5) / photo * (end - start)) * count);
                places[index] = place >= 0 && place < count ? (int) place : -1;
            }
            return places;
        }
    }
}
