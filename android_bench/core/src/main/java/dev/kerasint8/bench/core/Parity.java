package dev.kerasint8.bench.core;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Whether the phone's outputs are the golden ones, byte for byte. */
public final class Parity {
    public final boolean identical;
    /** Bytes that differ, those that are missing or too many included. */
    public final int differingBytes;
    /** The same by output, in the model's order; what one file of all outputs has too many is in none of them. */
    public final Map<String, Integer> byOutput;

    private Parity(int differingBytes, Map<String, Integer> byOutput) {
        this.identical = differingBytes == 0;
        this.differingBytes = differingBytes;
        this.byOutput = byOutput;
    }

    /**
     * @param outputs of the phone.
     * @param names of the outputs.
     * @param golden a file for each output, or one that holds all, one after the other.
     * @throws BadArguments another number of files.
     */
    public static Parity of(List<byte[]> outputs, List<String> names, List<byte[]> golden) {
        if (golden.size() != 1 && golden.size() != outputs.size()) {
            throw new BadArguments("golden_output names " + golden.size() + " files; the model has " + outputs.size()
                    + " outputs: give a file for each, or one with all of them.");
        }
        boolean together = golden.size() != outputs.size();
        Map<String, Integer> byOutput = new LinkedHashMap<>();
        int total = 0;
        int start = 0;
        for (int index = 0; index < outputs.size(); index++) {
            byte[] wanted = golden.get(together ? 0 : index);
            int differing = differing(outputs.get(index), wanted, start, !together);
            byOutput.put(names.get(index), differing);
            total += differing;
            start += together ? outputs.get(index).length : 0;
        }
        return new Parity(total + (together ? Math.max(0, golden.get(0).length - start) : 0), byOutput);
    }

    private static int differing(byte[] output, byte[] golden, int start, boolean whole) {
        int there = Math.max(0, Math.min(output.length, golden.length - start));
        int differing = output.length - there + (whole ? golden.length - start - there : 0);
        for (int place = 0; place < there; place++) {
            differing += output[place] == golden[start + place] ? 0 : 1;
        }
        return differing;
    }
}
