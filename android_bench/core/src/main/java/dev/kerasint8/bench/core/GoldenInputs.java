package dev.kerasint8.bench.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What a model is fed to compare its answer: a file for each input, or one that holds all, one after the other. */
final class GoldenInputs {
    private GoldenInputs() {}

    /**
     * The bytes of each input.
     *
     * @param sizes how many each input holds.
     * @throws BadArguments another number of files or bytes.
     */
    static List<byte[]> of(List<byte[]> files, int[] sizes) {
        if (files.size() != 1 && files.size() != sizes.length) {
            throw new BadArguments("golden_input names " + files.size() + " files; the model has " + sizes.length
                    + " inputs: give a file for each, or one with all of them.");
        }
        return files.size() == sizes.length ? each(files, sizes) : split(files.get(0), sizes);
    }

    private static List<byte[]> each(List<byte[]> files, int[] sizes) {
        for (int index = 0; index < sizes.length; index++) {
            if (files.get(index).length != sizes[index]) {
                String which = sizes.length == 1 ? "golden_input" : "golden_input " + (index + 1);
                throw new BadArguments(which + " has " + files.get(index).length + " bytes; the model's input holds "
                        + sizes[index] + ".");
            }
        }
        return files;
    }

    private static List<byte[]> split(byte[] all, int[] sizes) {
        int sum = 0;
        for (int size : sizes) {
            sum += size;
        }
        if (sum != all.length) {
            throw new BadArguments("golden_input has " + all.length + " bytes; the model's inputs hold " + sum + ".");
        }
        List<byte[]> inputs = new ArrayList<>();
        int start = 0;
        for (int size : sizes) {
            inputs.add(Arrays.copyOfRange(all, start, start + size));
            start += size;
        }
        return inputs;
    }
}
