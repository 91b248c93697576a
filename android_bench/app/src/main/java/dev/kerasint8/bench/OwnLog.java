package dev.kerasint8.bench;

import android.os.Process;
import android.os.SystemClock;
import android.util.Log;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** What this process has logged: an app may read its own lines, and TFLite says some things only there. */
final class OwnLog {
    /** Of this app's own lines. */
    static final String TAG = "kerasint8";

    private static final int ATTEMPTS = 20;
    private static final int PAUSE_MS = 50;

    private OwnLog() {}

    /**
     * The lines of this app and of TFLite, in order, all that were logged before this call.
     *
     * @return none where they cannot be read.
     */
    static List<String> upToNow() {
        String end = "read up to " + System.nanoTime();
        Log.i(TAG, end);
        List<String> lines = Collections.emptyList();
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) { // a line takes its way through the log's own process
            lines = read();
            if (!lines.isEmpty() && lines.get(lines.size() - 1).contains(end)) {
                return lines;
            }
            SystemClock.sleep(PAUSE_MS);
        }
        return lines;
    }

    private static List<String> read() {
        List<String> lines = new ArrayList<>();
        try {
            java.lang.Process logcat = new ProcessBuilder("logcat", "-d", "--pid=" + Process.myPid(), "-s",
                    TAG + ":I", "tflite:I").redirectErrorStream(true).start();
            try (BufferedReader reader = new BufferedReader(
                    new InputStreamReader(logcat.getInputStream(), StandardCharsets.UTF_8))) {
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    lines.add(line);
                }
            }
        } catch (IOException unreadable) {
            return Collections.emptyList();
        }
        return lines;
    }
}
