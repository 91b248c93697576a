package dev.kerasint8.bench.core;

import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

import java.util.List;

/** A run as JSON, schema version 1: every key is there, with null where a run did not come so far. */
final class Result {
    static final int SCHEMA = 1;

    private final JSONObject json = new JSONObject();

    Result(String runId, Phone phone) throws JSONException {
        json.put("schema", SCHEMA);
        put(json, "run_id", runId);
        json.put("kind", "app");
        json.put("device", device(phone));
        model(null, null, null);
        json.put("delegate", delegate(null, null));
        put(json, "threads", null);
        put(json, "affinity", null);
        conditions(null, null);
        for (String key : new String[] {"init_us", "first_us", "latency_us", "parity"}) {
            put(json, key, null);
        }
        json.put("samples_us", new JSONArray());
        json.put("memory", new JSONObject().put("peak_mb", JSONObject.NULL));
        json.put("valid", false);
        json.put("why_not_valid", new JSONArray().put("it did not finish"));
        put(json, "error", null);
        json.put("started", phone.now());
        json.put("runner_version", "android-bench/" + phone.version());
    }

    JSONObject json() {
        return json;
    }

    void asked(Arguments arguments) throws JSONException {
        json.put("delegate", delegate(arguments.delegate, null));
        json.put("threads", arguments.threads);
    }

    void model(String name, String sha256, Integer size) throws JSONException {
        JSONObject model = new JSONObject();
        put(model, "name", name);
        put(model, "sha256", sha256);
        put(model, "size_bytes", size);
        json.put("model", model);
    }

    void opened(Arguments asked, Delegation got, long initUs, String runner) throws JSONException {
        json.put("delegate", delegate(asked.delegate, got));
        json.put("init_us", initUs);
        json.put("runner_version", runner);
    }

    void affinity(List<Integer> cores) throws JSONException {
        put(json, "affinity", cores == null ? null : new JSONArray(cores));
    }

    void conditions(Conditions before, Conditions after) throws JSONException {
        json.put("thermal", new JSONObject().put("before", thermal(before)).put("after", thermal(after)));
        json.put("battery", new JSONObject().put("before", battery(before)).put("after", battery(after)));
    }

    void measured(Measurement measurement, Double peakMegabytes) throws JSONException {
        json.put("first_us", measurement.firstUs);
        JSONArray samples = new JSONArray();
        for (long sample : measurement.samplesUs) {
            samples.put(sample);
        }
        json.put("samples_us", samples);
        Statistics statistics = new Statistics(measurement.samplesUs);
        JSONObject latency = new JSONObject();
        for (int percent : new int[] {50, 90, 95, 99}) {
            latency.put("p" + percent, statistics.percentile(percent));
        }
        latency.put("min", statistics.min()).put("max", statistics.max()).put("mean", statistics.mean());
        json.put("latency_us", latency);
        JSONObject memory = new JSONObject();
        put(memory, "peak_mb", peakMegabytes);
        json.put("memory", memory);
    }

    /** Null where the parity was not asked for or could not be found out. */
    void parity(Parity parity) throws JSONException {
        JSONObject told = new JSONObject().put("golden", true);
        put(told, "identical", parity == null ? null : parity.identical);
        put(told, "differing_bytes", parity == null ? null : parity.differingBytes);
        put(told, "differing_by_output", parity == null ? null : new JSONObject(parity.byOutput));
        json.put("parity", told);
    }

    void valid(List<String> reasons) throws JSONException {
        json.put("valid", reasons.isEmpty());
        json.put("why_not_valid", new JSONArray(reasons));
    }

    void error(String what) throws JSONException {
        json.put("error", new JSONObject().put("what", what));
        json.put("valid", false);
        json.put("why_not_valid", new JSONArray().put(what));
    }

    private static JSONObject device(Phone phone) throws JSONException {
        Phone.Facts facts = phone.facts();
        JSONObject device = new JSONObject();
        put(device, "serial", null); // the host knows it, an app may not
        put(device, "manufacturer", facts.manufacturer);
        put(device, "model", facts.model);
        put(device, "soc", facts.soc);
        put(device, "abi", facts.abi);
        put(device, "android", facts.android);
        JSONArray cores = new JSONArray();
        for (Core core : phone.cores()) {
            cores.put(new JSONObject().put("id", core.id).put("max_khz", core.maxKhz));
        }
        return device.put("cpu_cores", cores);
    }

    private static JSONObject delegate(String asked, Delegation got) throws JSONException {
        JSONObject delegate = new JSONObject();
        put(delegate, "asked", asked);
        put(delegate, "got", got == null ? null : got.got);
        put(delegate, "delegated_nodes", got == null ? null : got.delegatedNodes);
        put(delegate, "total_nodes", got == null ? null : got.totalNodes);
        put(delegate, "partitions", got == null ? null : got.partitions);
        return delegate;
    }

    private static JSONObject thermal(Conditions found) throws JSONException {
        JSONObject thermal = new JSONObject();
        put(thermal, "status", found == null ? null : found.thermalStatus);
        put(thermal, "celsius", found == null ? null : found.celsius);
        return thermal;
    }

    private static JSONObject battery(Conditions found) throws JSONException {
        JSONObject battery = new JSONObject();
        put(battery, "percent", found == null ? null : found.batteryPercent);
        put(battery, "charging", found == null ? null : found.charging);
        return battery;
    }

    /** JSONObject drops a key that is put with null. */
    private static void put(JSONObject json, String key, Object value) throws JSONException {
        json.put(key, value == null ? JSONObject.NULL : value);
    }
}
