package dev.kerasint8.contract;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The golden vectors, from the class path: the folder golden/ must be among the test's resources. */
final class Golden {
    /** A line of golden/examples.csv. */
    static final class Example {
        final int number;
        /** The data has pixels of 8 bits; otherwise numbers. */
        final boolean bytes;
        final int height;
        final int width;
        final int channels;
        final int answer;

        Example(String line) {
            String[] cells = line.split(",", 7);
            number = Integer.parseInt(cells[0]);
            bytes = cells[1].equals("uint8");
            height = Integer.parseInt(cells[2]);
            width = Integer.parseInt(cells[3]);
            channels = Integer.parseInt(cells[4]);
            answer = Integer.parseInt(cells[5]);
        }

        byte[] read(String what) {
            return Golden.read(number + "." + what);
        }
    }

    private Golden() {}

    static List<Example> examples() {
        List<Example> examples = new ArrayList<>();
        String[] lines = new String(read("examples.csv"), StandardCharsets.UTF_8).split("\n");
        for (int index = 1; index < lines.length; index++) { // after the head
            examples.add(new Example(lines[index]));
        }
        return examples;
    }

    static boolean has(String name) {
        return Golden.class.getResource("/golden/" + name) != null;
    }

    static byte[] read(String name) {
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
            if (in == null) {
                throw new AssertionError("golden/" + name + " is not among the test's resources");
            }
            ByteArrayOutputStream content = new ByteArrayOutputStream();
            byte[] piece = new byte[1 << 16];
            for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
                content.write(piece, 0, count);
            }
            return content.toByteArray();
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }

    static List<String> labels() {
        List<String> labels = new ArrayList<>();
        InputStream in = Golden.class.getResourceAsStream("/labels.txt");
        if (in == null) {
            throw new AssertionError("labels.txt is not among the test's resources");
        }
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                labels.add(line);
            }
        } catch (IOException error) {
            throw new AssertionError(error);
        }
        return labels;
    }

    static float[] floats(byte[] bytes) {
        float[] values = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    /** The output as a device would give it. */
    static ByteBuffer output(byte[] bytes) {
        ByteBuffer output = Contract.OUTPUT.allocate();
        output.put(bytes);
        return output; // at its end, as TFLite leaves it
    }
}
