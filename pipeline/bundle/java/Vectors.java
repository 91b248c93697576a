package dev.kerasint8.contract;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The golden vectors of inputs and outputs by name. */
final class Vectors {
    /** A line of golden/vectors.csv: one input or output of one example. */
    static final class Vector {
        final String name;
        /** input or output. */
        final String side;
        /** image, audio, integers or numbers; of outputs classes too. */
        final String kind;
        /** Of what the data has: uint8, float32 or int32. */
        final String type;
        final int height;
        final int width;
        final int channels;
        private final String file;

        Vector(String line) {
            String[] cells = line.split(",", 9);
            file = cells[0] + "." + cells[1];
            side = cells[2];
            kind = cells[3];
            type = cells[4];
            height = Integer.parseInt(cells[5]);
            width = Integer.parseInt(cells[6]);
            channels = Integer.parseInt(cells[7]);
            name = cells[8];
        }

        byte[] read(String what) {
            return Resources.read("golden/" + file + "." + what);
        }

        /** Numbers of any of the types as floats. */
        float[] floats(String what) {
            byte[] bytes = read(what);
            if (!type.equals("uint8")) {
                return Resources.floats(bytes);
            }
            float[] values = new float[bytes.length];
            for (int index = 0; index < values.length; index++) {
                values[index] = bytes[index] & 0xFF;
            }
            return values;
        }

        int[] integers(String what) {
            byte[] bytes = read(what);
            int[] values = new int[bytes.length / 4];
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(values);
            return values;
        }
    }

    private Vectors() {}

    static List<Vector> of(String side, String kind) {
        List<Vector> vectors = new ArrayList<>();
        String[] lines = new String(Resources.read("golden/vectors.csv"), StandardCharsets.UTF_8).split("\n");
        for (int index = 1; index < lines.length; index++) { // after the head
            Vector vector = new Vector(lines[index]);
            if (vector.side.equals(side) && vector.kind.equals(kind)) {
                vectors.add(vector);
            }
        }
        return vectors;
    }

    /** The output as a device would give it. */
    static ByteBuffer output(Tensor tensor, byte[] bytes) {
        ByteBuffer output = tensor.allocate();
        output.put(bytes);
        return output; // at its end, as TFLite leaves it
    }
}
