package dev.kerasint8.contract;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * From candidates to the few boxes that are answered, in float and in the host's order, so that equal scores, which int8
 * has many, give the same boxes:
 *
 * <ol>
 *   <li>Scores of at least the threshold, in the order of the boxes, then of the classes.
 *   <li>The highest first; of equal ones the earlier. So many at most are looked at.
 *   <li>One after the other: a box is taken unless one of its class that was taken before overlaps it by more than the
 *       threshold; until there are as many as wanted.
 *   <li>What is taken is clipped to the input, then to the photo; a box that lies beside the photo is left out.
 * </ol>
 */
final class Suppression {
    private final int most;
    private final float scoreThreshold;
    private final float iouThreshold;
    private final int maxBoxes;

    /**
     * @param most pairs of a box and a class that are looked at.
     * @param iouThreshold above 1 where the model suppresses itself.
     */
    Suppression(int most, float scoreThreshold, float iouThreshold, int maxBoxes) {
        this.most = most;
        this.scoreThreshold = scoreThreshold;
        this.iouThreshold = iouThreshold;
        this.maxBoxes = maxBoxes;
    }

    List<Detection> choose(Candidates candidates, List<String> labels, Placement placement) {
        List<Pair> pairs = best(candidates);
        boolean[] dropped = new boolean[pairs.size()];
        List<Detection> found = new ArrayList<>();
        int taken = 0;
        for (int index = 0; index < pairs.size() && taken < maxBoxes; index++) {
            if (dropped[index]) {
                continue;
            }
            Pair pair = pairs.get(index);
            taken++;
            add(found, pair, labels, placement);
            for (int other = index + 1; iouThreshold <= 1 && other < dropped.length; other++) {
                Pair second = pairs.get(other);
                if (!dropped[other] && second.index == pair.index) {
                    dropped[other] = !(overlap(second, pair) <= iouThreshold);
                }
            }
        }
        return found;
    }

    private List<Pair> best(Candidates candidates) {
        List<Pair> pairs = new ArrayList<>();
        int columns = candidates.columns();
        for (int box = 0; box < candidates.count(); box++) {
            for (int column = 0; column < columns; column++) {
                float score = candidates.score(box, column);
                if (score >= scoreThreshold) {
                    pairs.add(new Pair(box, candidates.classOf(box, column), score));
                }
            }
        }
        Collections.sort(pairs, new Comparator<Pair>() { // stable
            @Override
            public int compare(Pair one, Pair other) {
                return one.score > other.score ? -1 : one.score < other.score ? 1 : 0;
            }
        });
        pairs = pairs.subList(0, Math.min(most, pairs.size()));
        for (Pair pair : pairs) {
            candidates.corners(pair.box, pair.corners);
            pair.area = Math.max(pair.corners[2] - pair.corners[0], 0) * Math.max(pair.corners[3] - pair.corners[1], 0);
        }
        return pairs;
    }

    private static float overlap(Pair one, Pair other) {
        float height = Math.min(one.corners[2], other.corners[2]) - Math.max(one.corners[0], other.corners[0]);
        float width = Math.min(one.corners[3], other.corners[3]) - Math.max(one.corners[1], other.corners[1]);
        float shared = Math.max(height, 0) * Math.max(width, 0);
        float whole = one.area + other.area - shared;
        return whole > 0 ? shared / whole : 0;
    }

    private static void add(List<Detection> found, Pair pair, List<String> labels, Placement placement) {
        float[] edges = new float[4];
        for (int side = 0; side < 4; side++) {
            float share = Math.max(0, Math.min(1, pair.corners[side]));
            double place = side % 2 == 0 ? placement.y(share) : placement.x(share);
            int most = side % 2 == 0 ? placement.photoHeight : placement.photoWidth;
            edges[side] = (float) Math.max(0, Math.min(most, place));
        }
        if (edges[0] < edges[2] && edges[1] < edges[3]) {
            boolean named = pair.index >= 0 && pair.index < labels.size();
            String label = named ? labels.get(pair.index) : String.valueOf(pair.index);
            found.add(new Detection(pair.index, label, pair.score, edges[0], edges[1], edges[2], edges[3]));
        }
    }

    /** A box and one of its classes. */
    private static final class Pair {
        final int box;
        final int index;
        final float score;
        final float[] corners = new float[4];
        float area;

        Pair(int box, int index, float score) {
            this.box = box;
            this.index = index;
            this.score = score;
        }
    }
}
