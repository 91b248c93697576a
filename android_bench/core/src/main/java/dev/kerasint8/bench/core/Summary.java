package dev.kerasint8.bench.core;

import org.json.JSONArray;
import org.json.JSONObject;

import java.util.Locale;

/** A result in a few lines for a person. */
public final class Summary {
    private Summary() {}

    public static String of(JSONObject result) {
        StringBuilder text = new StringBuilder();
        JSONObject model = result.optJSONObject("model");
        if (model != null && !model.isNull("name")) {
            line(text, "model", model.optString("name"));
        }
        JSONObject error = result.optJSONObject("error");
        if (error != null) {
            line(text, "error", error.optString("what"));
            return text.toString();
        }
        JSONObject latency = result.optJSONObject("latency_us");
        if (latency != null) {
            line(text, "median", milliseconds(latency.optDouble("p50")));
            line(text, "p90", milliseconds(latency.optDouble("p90")));
            line(text, "p99", milliseconds(latency.optDouble("p99")));
            line(text, "least", milliseconds(latency.optDouble("min")));
            line(text, "samples", String.valueOf(result.optJSONArray("samples_us").length()));
            line(text, "first", milliseconds(result.optDouble("first_us")));
            line(text, "init", milliseconds(result.optDouble("init_us")));
        }
        JSONObject delegate = result.optJSONObject("delegate");
        if (delegate != null) {
            line(text, "delegate", delegate.optString("got") + (delegate.isNull("total_nodes") ? ""
                    : ", " + delegate.optInt("delegated_nodes") + " of " + delegate.optInt("total_nodes") + " nodes"));
        }
        line(text, "threads", String.valueOf(result.optInt("threads")));
        line(text, "cores", result.isNull("affinity") ? "all" : result.optJSONArray("affinity").toString());
        JSONObject memory = result.optJSONObject("memory");
        if (memory != null && !memory.isNull("peak_mb")) {
            line(text, "memory", String.format(Locale.ROOT, "%.1f MB at most", memory.optDouble("peak_mb")));
        }
        JSONArray reasons = result.optJSONArray("why_not_valid");
        for (int index = 0; reasons != null && index < reasons.length(); index++) {
            line(text, index == 0 ? "not valid" : "", reasons.optString(index));
        }
        return text.toString();
    }

    private static void line(StringBuilder text, String name, String value) {
        text.append(String.format(Locale.ROOT, "%-10s %s\n", name, value));
    }

    private static String milliseconds(double micros) {
        return String.format(Locale.ROOT, "%.3f ms", micros / 1000);
    }
}
