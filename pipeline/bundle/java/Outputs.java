package dev.kerasint8.contract;

import java.nio.ByteBuffer;
import java.util.Map;

/** What the interpreter left in the outputs, as real numbers. */
final class Outputs {
    private Outputs() {}

    /** Some outputs one after the other, as the model's map of outputs has them: a buffer for each number. */
    static float[] read(Map<Integer, Object> outputs, Tensor[] tensors, int... numbers) {
        float[][] parts = new float[numbers.length][];
        int size = 0;
        for (int index = 0; index < numbers.length; index++) {
            Object buffer = outputs.get(numbers[index]);
            if (!(buffer instanceof ByteBuffer)) {
                throw new IllegalArgumentException("the outputs hold no ByteBuffer as number " + numbers[index]);
            }
            parts[index] = read(tensors[index], (ByteBuffer) buffer);
            size += parts[index].length;
        }
        float[] joined = new float[size];
        int start = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, joined, start, part.length);
            start += part.length;
        }
        return joined;
    }

    private static float[] read(Tensor tensor, ByteBuffer buffer) {
        if (tensor.type != Tensor.Type.INT32 && tensor.type != Tensor.Type.INT64) {
            return tensor.read(buffer);
        }
        int[] whole = tensor.readIntegers(buffer);
        float[] values = new float[whole.length];
        for (int index = 0; index < whole.length; index++) {
            values[index] = whole[index];
        }
        return values;
    }
}
