package dev.kerasint8.bench;

import android.content.Context;
import android.graphics.Typeface;
import android.view.View;
import android.widget.ArrayAdapter;
import android.widget.Button;
import android.widget.LinearLayout;
import android.widget.ScrollView;
import android.widget.Spinner;
import android.widget.TextView;

import java.io.File;
import java.util.ArrayList;
import java.util.List;

/** What a person sees: a model, how to run it, a button, the result. */
final class Screen {
    private static final int PADDING_DP = 16;
    private static final String[] THREADS = {"1", "2", "4", "8"};
    private static final String[] DELEGATES = {"xnnpack", "gpu", "none"};
    private static final String[] AFFINITIES = {"big", "all"};

    private final Context context;
    private final LinearLayout column;
    private final Spinner model;
    private final Spinner threads;
    private final Spinner delegate;
    private final Spinner affinity;
    private final Button run;
    private final TextView told;
    private List<File> models = new ArrayList<>();

    /** Told what the person wants. */
    interface Listener {
        void onRun(File model, int threads, String delegate, String affinity);

        void onPick();
    }

    Screen(Context context, final Listener listener) {
        this.context = context;
        column = new LinearLayout(context);
        column.setOrientation(LinearLayout.VERTICAL);
        int padding = Math.round(PADDING_DP * context.getResources().getDisplayMetrics().density);
        column.setPadding(padding, padding, padding, padding);
        column.setFitsSystemWindows(true);
        model = choice("Model");
        threads = choice("Threads", THREADS);
        delegate = choice("Delegate", DELEGATES);
        affinity = choice("Cores", AFFINITIES);
        run = new Button(context);
        run.setText("Run");
        run.setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                listener.onRun(models.get(model.getSelectedItemPosition()),
                        Integer.parseInt((String) threads.getSelectedItem()), (String) delegate.getSelectedItem(),
                        (String) affinity.getSelectedItem());
            }
        });
        column.addView(run);
        Button pick = new Button(context);
        pick.setText("Add a model file …");
        pick.setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                listener.onPick();
            }
        });
        column.addView(pick);
        told = new TextView(context);
        told.setTypeface(Typeface.MONOSPACE);
        told.setTextIsSelectable(true);
        ScrollView scroll = new ScrollView(context);
        scroll.addView(told);
        column.addView(scroll);
    }

    View view() {
        return column;
    }

    void offer(List<File> found) {
        models = found;
        String[] names = new String[found.size()];
        for (int index = 0; index < names.length; index++) {
            names[index] = found.get(index).getName();
        }
        model.setAdapter(adapter(names));
        run.setEnabled(names.length > 0);
        if (names.length == 0) {
            say("No models yet. Add one with the button, or push one and open the app again:\n\n"
                    + "adb push model.tflite " + Models.pushed(context));
        }
    }

    void busy(boolean busy) {
        run.setEnabled(!busy && !models.isEmpty());
    }

    void say(String text) {
        told.setText(text);
    }

    private Spinner choice(String label, String... words) {
        TextView title = new TextView(context);
        title.setText(label);
        column.addView(title);
        Spinner spinner = new Spinner(context);
        spinner.setAdapter(adapter(words));
        column.addView(spinner);
        return spinner;
    }

    private ArrayAdapter<String> adapter(String[] words) {
        return new ArrayAdapter<>(context, android.R.layout.simple_spinner_dropdown_item, words);
    }
}
