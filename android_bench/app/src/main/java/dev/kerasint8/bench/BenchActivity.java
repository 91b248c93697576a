package dev.kerasint8.bench;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.util.Log;
import android.view.WindowManager;

import dev.kerasint8.bench.core.Arguments;
import dev.kerasint8.bench.core.Measurement;
import dev.kerasint8.bench.core.Run;
import dev.kerasint8.bench.core.Storage;
import dev.kerasint8.bench.core.Summary;

import org.json.JSONException;
import org.json.JSONObject;

import java.io.File;
import java.io.IOException;

/** Runs what the intent's extra `args` asks and writes files/results/RUN_ID.json; without it, a person chooses. */
public final class BenchActivity extends Activity implements Measurement.Progress, Measurement.Clock, Screen.Listener {
    private static final String EXTRA = "args";
    private static final int PICK = 1;

    private Screen screen;
    /** Only one at a time: two would disturb each other. */
    private Thread worker;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON); // a dark phone lowers its clocks
        screen = new Screen(this, this);
        setContentView(screen.view());
        if (state == null) { // not when Android makes it anew after a run was begun
            take(getIntent());
        }
    }

    @Override
    protected void onResume() {
        super.onResume();
        if (worker == null) { // a person may have pushed another model meanwhile; a result stays on the screen
            screen.offer(Models.found(this));
        }
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        take(intent);
    }

    private void take(Intent intent) {
        // Opened again from the recent apps, the old arguments come again: a person looks, nobody asked for a run.
        boolean again = (intent.getFlags() & Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY) != 0;
        if (intent.hasExtra(EXTRA) && !again) {
            run(intent.getStringExtra(EXTRA));
        }
    }

    @Override
    public void onRun(File model, int threads, String delegate, String affinity) {
        try {
            run(new JSONObject()
                    .put("run_id", "by-hand-" + System.currentTimeMillis())
                    .put("model", model.getAbsolutePath())
                    .put("threads", threads)
                    .put("delegate", delegate)
                    .put("affinity", affinity)
                    .toString());
        } catch (JSONException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    @Override
    public void onPick() {
        startActivityForResult(new Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE)
                .setType("*/*"), PICK);
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        if (request != PICK || result != RESULT_OK || data == null || data.getData() == null) {
            return;
        }
        try {
            Models.copy(this, data.getData());
            screen.offer(Models.found(this));
        } catch (IOException error) {
            screen.say("The file cannot be taken: " + error.getMessage());
        }
    }

    private void run(final String arguments) {
        if (worker != null && worker.isAlive()) {
            screen.say("A run is going on; wait for its end.");
            Log.w(OwnLog.TAG, "refused, a run is going on: " + Arguments.runIdOf(arguments));
            return;
        }
        screen.busy(true);
        worker = new Thread("bench") {
            @Override
            public void run() {
                finished(new Run(new AndroidPhone(BenchActivity.this), TfliteEngine.ALL, BenchActivity.this,
                        BenchActivity.this).execute(arguments));
            }
        };
        worker.start();
    }

    /** Writes the result, tells the log, shows it. */
    private void finished(JSONObject result) {
        String runId = result.isNull("run_id") ? null : result.optString("run_id");
        String where;
        try {
            where = runId == null ? "not written, there is no valid run_id"
                    : Storage.write(new File(getFilesDir(), "results"), runId, result.toString()).getPath();
        } catch (IOException error) {
            where = "not written: " + error.getMessage();
        }
        JSONObject error = result.optJSONObject("error");
        String end = error == null ? "ok" : "error: " + error.optString("what");
        Log.i(OwnLog.TAG, "result " + runId + " " + where + " " + end);
        show(Summary.of(result) + "\n" + where);
    }

    private void show(final String text) {
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                screen.say(text);
                screen.busy(false);
            }
        });
    }

    @Override
    public void at(final String stage, final int done, final int total) {
        runOnUiThread(new Runnable() {
            @Override
            public void run() {
                screen.say(done == 0 ? stage + " …" : stage + " … " + done + " samples");
            }
        });
    }

    @Override
    public long nanos() {
        return System.nanoTime();
    }
}
