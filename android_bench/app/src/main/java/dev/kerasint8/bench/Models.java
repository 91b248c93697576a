package dev.kerasint8.bench;

import android.content.Context;
import android.database.Cursor;
import android.net.Uri;
import android.provider.OpenableColumns;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The models that a person can choose: those pushed to the app's own folder on the shared storage, and those picked. */
final class Models {
    private Models() {}

    /** The folder that `adb push` can write and the app can read without any permission. */
    static File pushed(Context context) {
        return context.getExternalFilesDir(null);
    }

    static List<File> found(Context context) {
        List<File> models = new ArrayList<>();
        for (File folder : new File[] {pushed(context), picked(context)}) {
            File[] files = folder == null ? null : folder.listFiles();
            for (File file : files == null ? new File[0] : files) {
                if (file.getName().endsWith(".tflite")) {
                    models.add(file);
                }
            }
        }
        Collections.sort(models);
        return models;
    }

    /** Copies what a person picked in another app into this one's folder. */
    static void copy(Context context, Uri chosen) throws IOException {
        File folder = picked(context);
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException("the folder " + folder + " cannot be made");
        }
        File target = new File(folder, name(context, chosen));
        File temporary = File.createTempFile("picked", ".tmp", folder);
        try {
            try (InputStream in = context.getContentResolver().openInputStream(chosen);
                    OutputStream out = new FileOutputStream(temporary)) {
                if (in == null) {
                    throw new IOException("the other app does not give it");
                }
                byte[] piece = new byte[1 << 16];
                for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
                    out.write(piece, 0, count);
                }
            }
            if (!temporary.renameTo(target)) {
                throw new IOException(target + " cannot be written");
            }
        } finally {
            temporary.delete();
        }
    }

    private static File picked(Context context) {
        return new File(context.getFilesDir(), "models");
    }

    /** The name that the other app gives, without folders, ending in .tflite so that it is found again. */
    private static String name(Context context, Uri chosen) {
        String name = null;
        String[] wanted = {OpenableColumns.DISPLAY_NAME};
        try (Cursor cursor = context.getContentResolver().query(chosen, wanted, null, null, null)) {
            if (cursor != null && cursor.moveToFirst()) {
                name = cursor.getString(0);
            }
        }
        name = new File(name == null || name.isEmpty() ? "picked.tflite" : name).getName();
        return name.endsWith(".tflite") ? name : name + ".tflite";
    }
}
