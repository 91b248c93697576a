package dev.kerasint8.contract;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Files of the test's resources, by their path in the bundle: golden/ must be among them, and labels.txt where there is one. */
final class Resources {
    private Resources() {}

    static boolean has(String path) {
        return Resources.class.getResource("/" + path) != null;
    }

    static byte[] read(String path) {
        try (InputStream in = Resources.class.getResourceAsStream("/" + path)) {
            if (in == null) {
                throw new AssertionError(path + " is not among the test's resources");
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
}
