package dev.kerasint8.contract;

import java.util.ArrayList;
import java.util.List;

/** From coordinates, or from heat maps, to points in a photo. */
final class PointReader {
    private final int rows;
    private final int columns;
    private final int count;
    private final int values;
    private final int first;
    private final float unitHeight;
    private final float unitWidth;

    /**
     * @param rows of the heat maps; 0 where the output holds coordinates.
     * @param columns of the heat maps.
     * @param count points.
     * @param values of each point.
     * @param first where y stands: 0, or 1 behind x.
     * @param unitHeight what y is divided by to be a share of the input's height.
     * @param unitWidth the same of x.
     */
    PointReader(int rows, int columns, int count, int values, int first, float unitHeight, float unitWidth) {
        this.rows = rows;
        this.columns = columns;
        this.count = count;
        this.values = values;
        this.first = first;
        this.unitHeight = unitHeight;
        this.unitWidth = unitWidth;
    }

    List<Keypoint> read(float[] output, List<String> labels, Placement placement) {
        List<Keypoint> points = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            float[] place = rows > 0 ? peak(output, index) : coordinates(output, index);
            String label = index < labels.size() ? labels.get(index) : String.valueOf(index);
            float y = (float) placement.y(place[0]);
            points.add(new Keypoint(index, label, y, (float) placement.x(place[1]), place[2]));
        }
        return points;
    }

    private float[] coordinates(float[] output, int point) {
        int start = point * values;
        float score = values > 2 ? output[start + 2] : 1;
        return new float[] {output[start + first] / unitHeight, output[start + 1 - first] / unitWidth, score};
    }

    /** The middle of the highest cell, a quarter of a cell nearer to the higher neighbour on each axis. */
    private float[] peak(float[] output, int point) {
        int best = 0;
        for (int cell = 1; cell < rows * columns; cell++) {
            best = output[cell * count + point] > output[best * count + point] ? cell : best;
        }
        int row = best / columns;
        int column = best % columns;
        double y = row + 0.5 + 0.25 * slope(output, point, row - 1, column, row + 1, column);
        double x = column + 0.5 + 0.25 * slope(output, point, row, column - 1, row, column + 1);
        return new float[] {(float) (y / rows), (float) (x / columns), output[best * count + point]};
    }

    private float slope(float[] output, int point, int row, int column, int otherRow, int otherColumn) {
        return Math.signum(at(output, point, otherRow, otherColumn) - at(output, point, row, column));
    }

    private float at(float[] output, int point, int row, int column) {
        int inRow = Math.max(0, Math.min(rows - 1, row));
        return output[(inRow * columns + Math.max(0, Math.min(columns - 1, column))) * count + point];
    }
}
