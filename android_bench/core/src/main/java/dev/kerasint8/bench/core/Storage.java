package dev.kerasint8.bench.core;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Reading models and vectors, writing results. */
public final class Storage {
    private Storage() {}

    /**
     * Reads a model into memory. It is not mapped: SELinux may let an app read a file of /data/local/tmp but not map it.
     *
     * @return a direct buffer in native byte order, as TFLite's Interpreter takes it.
     * @throws IOException with a message for the caller.
     */
    public static ByteBuffer model(File file) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(file, "r"); FileChannel channel = open.getChannel()) {
            if (channel.size() > Integer.MAX_VALUE) {
                throw new IOException("it is larger than 2 GiB");
            }
            ByteBuffer content = ByteBuffer.allocateDirect((int) channel.size()).order(ByteOrder.nativeOrder());
            while (content.hasRemaining() && channel.read(content) >= 0) {
                continue;
            }
            content.flip();
            return content;
        } catch (IOException error) {
            throw new IOException("The model '" + file + "' cannot be read: " + error.getMessage() + ". Push it where the "
                    + "app may read it, with the right to read for all.", error);
        }
    }

    /**
     * A small file's bytes.
     *
     * @throws IOException with a message for the caller.
     */
    public static byte[] bytes(File file) throws IOException {
        try (InputStream in = new FileInputStream(file)) {
            ByteArrayOutputStream content = new ByteArrayOutputStream();
            byte[] piece = new byte[1 << 16];
            for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
                content.write(piece, 0, count);
            }
            return content.toByteArray();
        } catch (IOException error) {
            throw new IOException("'" + file + "' cannot be read: " + error.getMessage() + ".", error);
        }
    }

    /** The content of a small text file; empty where it cannot be read. */
    public static String textOrNothing(File file) {
        try {
            return new String(bytes(file), StandardCharsets.UTF_8);
        } catch (IOException none) {
            return "";
        }
    }

    /** SHA-256 of what remains in a buffer, in hexadecimal. Its position stays. */
    public static String sha256(ByteBuffer content) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException everyRuntimeHasIt) {
            throw new IllegalStateException(everyRuntimeHasIt);
        }
        digest.update(content.duplicate());
        StringBuilder text = new StringBuilder();
        for (byte value : digest.digest()) {
            text.append(Character.forDigit(value >> 4 & 15, 16)).append(Character.forDigit(value & 15, 16));
        }
        return text.toString();
    }

    /**
     * Writes a result whole or not at all: whoever waits for the file never sees half of it.
     *
     * @throws IOException the folder cannot be written.
     */
    public static File write(File folder, String runId, String content) throws IOException {
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException("The folder '" + folder + "' cannot be made.");
        }
        File target = new File(folder, runId + ".json");
        File temporary = File.createTempFile("." + runId + "-", ".tmp", folder);
        try {
            try (FileOutputStream out = new FileOutputStream(temporary)) {
                out.write(content.getBytes(StandardCharsets.UTF_8));
                out.getFD().sync();
            }
            if (!temporary.renameTo(target)) {
                throw new IOException("'" + target + "' cannot be written.");
            }
            return target;
        } finally {
            temporary.delete(); // nothing is there after the rename
        }
    }
}
