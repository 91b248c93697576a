package dev.kerasint8.bench.core;

import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.json.JSONTokener;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;

/** What one run is asked to do: the JSON object that comes with the intent's extra `args`, checked. */
public final class Arguments {
    /** The name of the result's file too, so it must not lead anywhere else. */
    private static final String RUN_ID = "[A-Za-z0-9][A-Za-z0-9._-]{0,119}";

    private static final List<String> KEYS = Arrays.asList(
            "run_id", "model", "threads", "delegate", "runs", "min_secs", "warmup_runs", "affinity", "golden_input",
            "golden_output", "input_shapes");
    private static final List<String> DELEGATES = Arrays.asList("xnnpack", "gpu", "none");
    private static final List<String> AFFINITIES = Arrays.asList("big", "all");

    public final String runId;
    /** The absolute path of a .tflite file that the app can read. */
    public final String model;
    public final int threads;
    /** xnnpack, gpu or none. */
    public final String delegate;
    /** Samples at least. */
    public final int runs;
    /** Seconds of measuring at least. */
    public final double minSeconds;
    /** Untimed inferences between the first one and the samples. */
    public final int warmupRuns;
    /** big: keep to the fast cores; all: let the scheduler choose. */
    public final String affinity;
    /** Files of raw bytes of the model's inputs, one for each or one for all; empty without. */
    public final List<String> goldenInputs;
    /** Files of raw bytes of its outputs, likewise; empty without. */
    public final List<String> goldenOutputs;
    /** Of the inputs, in the model's order; empty: as the file has them. */
    public final List<int[]> inputShapes;

    private Arguments(JSONObject json) {
        runId = checkRunId(text(json, "run_id", null));
        model = text(json, "model", null);
        threads = whole(json, "threads", 1, 1, 64);
        delegate = oneOf(json, "delegate", DELEGATES);
        runs = whole(json, "runs", 50, 1, Measurement.MOST_SAMPLES);
        minSeconds = number(json, "min_secs", 1.0, 0, Measurement.MOST_SECONDS);
        warmupRuns = whole(json, "warmup_runs", 5, 0, Measurement.MOST_SAMPLES);
        affinity = oneOf(json, "affinity", AFFINITIES);
        goldenInputs = files(json, "golden_input");
        goldenOutputs = files(json, "golden_output");
        inputShapes = shapes(json, "input_shapes");
        if (!model.startsWith("/")) {
            throw new BadArguments("'model' must be an absolute path, not '" + model + "'.");
        }
        if (goldenInputs.isEmpty() != goldenOutputs.isEmpty()) {
            throw new BadArguments("golden_input and golden_output go together: give both or none.");
        }
    }

    /**
     * Reads the arguments; all but run_id and model have defaults.
     *
     * @throws BadArguments no JSON object, an unknown key, a value of another type or out of its bounds.
     */
    public static Arguments parse(String text) {
        JSONObject json = object(text);
        for (Iterator<String> keys = json.keys(); keys.hasNext(); ) {
            String key = keys.next();
            if (!KEYS.contains(key)) {
                throw new BadArguments("Unknown key '" + key + "'. Known: " + KEYS + ".");
            }
        }
        return new Arguments(json);
    }

    /** The run id of arguments that may be wrong otherwise, so that an error finds its way to the caller; or null. */
    public static String runIdOf(String text) {
        try {
            return checkRunId(text(object(text), "run_id", null));
        } catch (BadArguments wrong) {
            return null;
        }
    }

    private static JSONObject object(String text) {
        Object value;
        try {
            value = text == null ? null : new JSONTokener(text).nextValue();
        } catch (JSONException broken) {
            throw new BadArguments("The arguments are not JSON: " + broken.getMessage());
        }
        if (!(value instanceof JSONObject)) {
            throw new BadArguments("The arguments must be one JSON object, with run_id and model.");
        }
        return (JSONObject) value;
    }

    private static String checkRunId(String runId) {
        if (!runId.matches(RUN_ID)) {
            throw new BadArguments("run_id must be letters, digits, '.', '_' and '-', at most 120 and beginning with "
                    + "a letter or digit, not '" + runId + "'.");
        }
        return runId;
    }

    /** A string; where it is missing or null: an error without a default, null with an empty one. */
    private static String text(JSONObject json, String key, String otherwise) {
        Object value = json.opt(key);
        if (value == null || value == JSONObject.NULL) {
            if (otherwise == null) {
                throw new BadArguments("'" + key + "' is missing.");
            }
            return otherwise.isEmpty() ? null : otherwise;
        }
        if (!(value instanceof String) || ((String) value).isEmpty()) {
            throw new BadArguments("'" + key + "' must be text, not " + value + ".");
        }
        return (String) value;
    }

    /** One file or several; none where it is missing or null. */
    private static List<String> files(JSONObject json, String key) {
        if (!(json.opt(key) instanceof JSONArray)) {
            String file = text(json, key, "");
            return file == null ? Collections.<String>emptyList() : Collections.singletonList(file);
        }
        List<String> files = new ArrayList<>();
        JSONArray listed = json.optJSONArray(key);
        for (int index = 0; index < listed.length(); index++) {
            Object file = listed.opt(index);
            if (!(file instanceof String) || ((String) file).isEmpty()) {
                throw new BadArguments("'" + key + "' must be a file or a list of files, not " + listed + ".");
            }
            files.add((String) file);
        }
        return files;
    }

    /** A list of shapes; none where it is missing or null. */
    private static List<int[]> shapes(JSONObject json, String key) {
        List<int[]> shapes = new ArrayList<>();
        Object value = json.opt(key);
        if (value == null || value == JSONObject.NULL) {
            return shapes;
        }
        JSONArray listed = value instanceof JSONArray ? (JSONArray) value : new JSONArray().put(value);
        for (int index = 0; index < listed.length(); index++) {
            JSONArray sides = listed.optJSONArray(index);
            int[] shape = new int[sides == null ? 0 : sides.length()];
            for (int axis = 0; axis < shape.length; axis++) {
                shape[axis] = sides.optInt(axis);
            }
            if (sides == null || least(shape) < 1) {
                throw new BadArguments("'" + key + "' must be a list of shapes such as [[1, 3]], not " + value + ".");
            }
            shapes.add(shape);
        }
        return shapes;
    }

    private static int least(int[] shape) {
        int least = 1;
        for (int side : shape) {
            least = Math.min(least, side);
        }
        return least;
    }

    /** One of several words; the first where it is missing. */
    private static String oneOf(JSONObject json, String key, List<String> words) {
        String value = text(json, key, words.get(0));
        if (!words.contains(value)) {
            throw new BadArguments("'" + key + "' must be one of " + words + ", not '" + value + "'.");
        }
        return value;
    }

    private static int whole(JSONObject json, String key, int otherwise, int least, int most) {
        double value = number(json, key, otherwise, least, most);
        if (value != Math.rint(value)) {
            throw new BadArguments("'" + key + "' must be a whole number, not " + value + ".");
        }
        return (int) value;
    }

    private static double number(JSONObject json, String key, double otherwise, double least, double most) {
        Object value = json.opt(key);
        if (value == null || value == JSONObject.NULL) {
            return otherwise;
        }
        if (!(value instanceof Number)) {
            throw new BadArguments("'" + key + "' must be a number, not '" + value + "'.");
        }
        double number = ((Number) value).doubleValue();
        if (!(number >= least && number <= most)) {
            throw new BadArguments("'" + key + "' must be from " + plain(least) + " to " + plain(most) + ", not " + value
                    + ".");
        }
        return number;
    }

    /** Without .0 where it is whole. */
    private static String plain(double number) {
        return number == Math.rint(number) ? String.valueOf((long) number) : String.valueOf(number);
    }
}
