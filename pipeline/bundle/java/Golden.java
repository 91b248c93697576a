package dev.kerasint8.contract;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
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
        return Resources.has("golden/" + name);
    }

    static byte[] read(String name) {
        return Resources.read("golden/" + name);
    }

    /** Empty where the bundle knows no names: answers are then shown as their numbers. */
    static List<String> labels() {
        if (!Resources.has("labels.txt")) {
            return Collections.emptyList();
        }
        return Arrays.asList(new String(Resources.read("labels.txt"), StandardCharsets.UTF_8).split("\n"));
    }

    /** The output as a device would give it. */
    static ByteBuffer output(byte[] bytes) {
        ByteBuffer output = Contract.OUTPUT.allocate();
        output.put(bytes);
        return output; // at its end, as TFLite leaves it
    }
}
