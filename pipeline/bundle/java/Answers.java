package dev.kerasint8.contract;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A line of golden/answers.csv: what the host finds in a photo, given the model's outputs. */
final class Answers {
    final int height;
    final int width;
    private final String name;
    private final String[] outputs;

    private Answers(String line) {
        String[] cells = line.split(",");
        name = cells[0];
        height = Integer.parseInt(cells[1]);
        width = Integer.parseInt(cells[2]);
        outputs = cells[3].split(" ");
    }

    static List<Answers> all() {
        List<Answers> answers = new ArrayList<>();
        String[] lines = new String(Resources.read("golden/answers.csv"), StandardCharsets.UTF_8).split("\n");
        for (int index = 1; index < lines.length; index++) { // after the head
            answers.add(new Answers(lines[index]));
        }
        return answers;
    }

    /** The outputs as a device would give them. */
    Map<Integer, Object> outputs() {
        Map<Integer, Object> buffers = new HashMap<>();
        for (int number = 0; number < outputs.length; number++) {
            byte[] bytes = Resources.read("golden/" + outputs[number] + ".output");
            ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.LITTLE_ENDIAN);
            buffer.put(bytes);
            buffers.put(number, buffer); // at its end, as TFLite leaves it
        }
        return buffers;
    }

    byte[] read(String what) {
        return Resources.read("golden/" + name + "." + what);
    }
}
