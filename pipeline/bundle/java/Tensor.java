package dev.kerasint8.contract;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** How real numbers are stored in a model's input or output: {@code real = scale * (stored - zeroPoint)}. */
public final class Tensor {
    /** The types that TFLite gives inputs and outputs. */
    public enum Type {
        INT8(1, -128, 127),
        UINT8(1, 0, 255),
        INT16(2, -32768, 32767),
        INT32(4, Integer.MIN_VALUE, Integer.MAX_VALUE),
        /** Filled and read as far as an int goes. */
        INT64(8, Integer.MIN_VALUE, Integer.MAX_VALUE),
        BOOL(1, 0, 1),
        FLOAT32(4, 0, 0);

        final int bytes;
        final int minimum;
        final int maximum;

        Type(int bytes, int minimum, int maximum) {
            this.bytes = bytes;
            this.minimum = minimum;
            this.maximum = maximum;
        }
    }

    public final Type type;
    /** Numbers in one example. */
    public final int size;
    public final float scale;
    public final int zeroPoint;

    public Tensor(Type type, int size, float scale, int zeroPoint) {
        this.type = type;
        this.size = size;
        this.scale = scale;
        this.zeroPoint = zeroPoint;
    }

    /** A buffer of the tensor's size, as TFLite's Interpreter takes it. */
    public ByteBuffer allocate() {
        return allocate(size);
    }

    ByteBuffer allocate(int numbers) {
        return ByteBuffer.allocateDirect(numbers * type.bytes).order(ByteOrder.nativeOrder());
    }

    /**
     * What a real number is stored as: rounded in float, halves away from zero, clamped to the type.
     *
     * @throws IllegalArgumentException for NaN, which no integer can store.
     */
    public int quantize(float real) {
        if (Float.isNaN(real)) {
            throw new IllegalArgumentException("NaN cannot be stored as " + type);
        }
        float scaled = real / scale;
        // Clamped first: the same result, and an infinite number can be rounded.
        scaled = Math.max(type.minimum - zeroPoint, Math.min(type.maximum - zeroPoint, scaled));
        int whole = (int) scaled; // towards zero
        // Math.round would take -2.5 to -2, and adding a half fails just below one.
        if (Math.abs(scaled - whole) >= 0.5f) {
            whole += scaled < 0 ? -1 : 1;
        }
        return whole + zeroPoint;
    }

    /** The real number that an integer is stored for. */
    public float dequantize(int stored) {
        return (stored - zeroPoint) * scale;
    }

    /** Appends a real number to a buffer. */
    void put(ByteBuffer buffer, float real) {
        switch (type) {
            case FLOAT32:
                buffer.putFloat(real);
                break;
            case INT16:
                buffer.putShort((short) quantize(real));
                break;
            default:
                buffer.put((byte) quantize(real));
        }
    }

    /** All real numbers of a buffer, from its beginning. Its position stays. */
    float[] read(ByteBuffer buffer) {
        ByteBuffer from = buffer.duplicate().order(buffer.order());
        from.rewind();
        float[] real = new float[size];
        for (int index = 0; index < size; index++) {
            switch (type) {
                case FLOAT32:
                    real[index] = from.getFloat();
                    break;
                case INT16:
                    real[index] = dequantize(from.getShort());
                    break;
                case UINT8:
                    real[index] = dequantize(from.get() & 0xFF); // a Java byte has a sign
                    break;
                default:
                    real[index] = dequantize(from.get());
            }
        }
        return real;
    }

    /**
     * A buffer of whole numbers, stored as they are: token ids, counts, flags.
     *
     * @throws IllegalArgumentException for one that the type cannot hold.
     */
    ByteBuffer encode(int[] values) {
        ByteBuffer buffer = allocate(values.length);
        for (int value : values) {
            if (value < type.minimum || value > type.maximum) {
                throw new IllegalArgumentException(value + " cannot be stored as " + type);
            }
            switch (type.bytes) {
                case 8:
                    buffer.putLong(value);
                    break;
                case 4:
                    buffer.putInt(value);
                    break;
                case 2:
                    buffer.putShort((short) value);
                    break;
                default:
                    buffer.put((byte) value);
            }
        }
        buffer.rewind();
        return buffer;
    }

    /** All whole numbers of a buffer, from its beginning. Its position stays. */
    int[] readIntegers(ByteBuffer buffer) {
        ByteBuffer from = buffer.duplicate().order(buffer.order());
        from.rewind();
        int[] values = new int[size];
        for (int index = 0; index < size; index++) {
            switch (type.bytes) {
                case 8:
                    values[index] = (int) from.getLong();
                    break;
                case 4:
                    values[index] = from.getInt();
                    break;
                case 2:
                    values[index] = from.getShort();
                    break;
                default:
                    byte stored = from.get();
                    values[index] = type == Type.UINT8 ? stored & 0xFF : stored;
            }
        }
        return values;
    }
}
