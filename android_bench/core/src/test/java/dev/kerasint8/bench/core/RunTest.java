package dev.kerasint8.bench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import org.json.JSONObject;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

public final class RunTest {
    private static final Set<String> KEYS = new HashSet<>(Arrays.asList(
            "schema", "run_id", "kind", "model", "device", "delegate", "threads", "affinity", "thermal", "battery", "init_us",
            "first_us", "samples_us", "latency_us", "memory", "parity", "valid", "why_not_valid", "error", "started",
            "runner_version"));

    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    private final Rehearsal rehearsal = new Rehearsal();
    private JSONObject arguments;

    @Before
    public void aModel() throws IOException {
        arguments = new JSONObject().put("run_id", "r1").put("model", file("m.tflite", 1, 2, 3)).put("runs", 4)
                .put("min_secs", 0).put("warmup_runs", 2);
    }

    private String file(String name, int... content) throws IOException {
        byte[] bytes = new byte[content.length];
        for (int index = 0; index < bytes.length; index++) {
            bytes[index] = (byte) content[index];
        }
        File file = new File(folder.getRoot(), name);
        Files.write(file.toPath(), bytes);
        return file.getAbsolutePath();
    }

    private JSONObject run() {
        JSONObject result = rehearsal.run().execute(arguments.toString());
        assertEquals(KEYS, result.keySet());
        return result;
    }

    private void fails(JSONObject result, String what) {
        assertTrue(result.toString(), result.getJSONObject("error").getString("what").contains(what));
        assertFalse(result.getBoolean("valid"));
        assertEquals(1, result.getJSONArray("why_not_valid").length());
        assertEquals(0, result.getJSONArray("samples_us").length());
        assertTrue(result.isNull("latency_us"));
    }

    @Test
    public void aRunSaysAllThatTheSchemaAsks() {
        rehearsal.inferences = new long[] {9_000_000, 8_000_000, 8_000_000, 2_000_400, 3_000_600, 1_000_000, 2_000_000};
        JSONObject result = run();
        assertEquals(1, result.getInt("schema"));
        assertEquals("app", result.getString("kind"));
        assertEquals("r1", result.getString("run_id"));
        assertEquals("m.tflite", result.getJSONObject("model").getString("name"));
        assertEquals(3, result.getJSONObject("model").getInt("size_bytes"));
        assertEquals("039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81",
                result.getJSONObject("model").getString("sha256"));
        JSONObject device = result.getJSONObject("device");
        assertEquals("Phone 1", device.getString("model"));
        assertTrue(device.isNull("serial"));
        assertEquals(2_800_000, device.getJSONArray("cpu_cores").getJSONObject(3).getInt("max_khz"));
        assertEquals("[2000,3001,1000,2000]", result.getJSONArray("samples_us").toString());
        assertEquals(9000, result.getInt("first_us"));
        assertEquals(5000, result.getInt("init_us"));
        assertEquals(2000, result.getJSONObject("latency_us").getDouble("p50"), 0);
        assertEquals(2000.25, result.getJSONObject("latency_us").getDouble("mean"), 1e-9);
        assertEquals("[2,3]", result.getJSONArray("affinity").toString());
        assertEquals(9, result.getJSONObject("delegate").getInt("delegated_nodes"));
        assertEquals(30.5, result.getJSONObject("thermal").getJSONObject("before").getDouble("celsius"), 0);
        assertEquals(79, result.getJSONObject("battery").getJSONObject("after").getInt("percent"));
        assertEquals(123.5, result.getJSONObject("memory").getDouble("peak_mb"), 0);
        assertEquals("android-bench/1.0 rehearsal/1", result.getString("runner_version"));
        assertTrue(result.isNull("parity"));
        assertTrue(result.isNull("error"));
        assertTrue(result.toString(), result.getBoolean("valid"));
    }

    @Test
    public void theThreadIsPinnedBeforeTheEngineMakesItsOwn() {
        run();
        assertEquals("pin [2, 3]", rehearsal.done.get(1));
        assertEquals("open", rehearsal.done.get(2));
        assertEquals("close", rehearsal.done.get(rehearsal.done.size() - 1));
    }

    @Test
    public void allCoresArePinnedNowhere() {
        arguments.put("affinity", "all");
        assertTrue(run().isNull("affinity"));
        assertFalse(rehearsal.done.toString().contains("pin"));
    }

    @Test
    public void goldenVectorsAreFedAndCompared() throws IOException {
        arguments.put("golden_input", file("in", 0, 0, 0, 0)).put("golden_output", file("out", 1, 2, 3));
        JSONObject parity = run().getJSONObject("parity");
        assertTrue(parity.getBoolean("golden"));
        assertTrue(parity.getBoolean("identical"));
        assertEquals(0, parity.getInt("differing_bytes"));
        assertTrue(rehearsal.done.contains("feed [0, 0, 0, 0]"));
        assertEquals(0, parity.getJSONObject("differing_by_output").getInt("y"));

        arguments.put("golden_output", file("other", 1, 9, 3, 4));
        parity = run().getJSONObject("parity");
        assertFalse(parity.getBoolean("identical"));
        assertEquals(2, parity.getInt("differing_bytes"));
        assertEquals(2, parity.getJSONObject("differing_by_output").getInt("y"));
    }

    private void detector() {
        rehearsal.inputSizes = new int[] {2, 3};
        rehearsal.outputs = Arrays.asList(new byte[] {1, 2, 3, 4}, new byte[] {5, 6});
        rehearsal.outputNames = Arrays.asList("boxes", "scores");
    }

    @Test
    public void severalInputsAndOutputsHaveAFileEach() throws IOException {
        detector();
        arguments.put("golden_input", Arrays.asList(file("left", 1, 2), file("right", 3, 4, 5)));
        arguments.put("golden_output", Arrays.asList(file("boxes", 1, 2, 3, 4), file("scores", 5, 7)));
        JSONObject parity = run().getJSONObject("parity");
        assertTrue(rehearsal.done.contains("feed [1, 2] [3, 4, 5]"));
        assertEquals(1, parity.getInt("differing_bytes"));
        assertEquals(0, parity.getJSONObject("differing_by_output").getInt("boxes"));
        assertEquals(1, parity.getJSONObject("differing_by_output").getInt("scores"));
    }

    @Test
    public void oneFileHoldsThemOneAfterTheOther() throws IOException {
        detector();
        arguments.put("golden_input", file("in", 1, 2, 3, 4, 5)).put("golden_output", file("out", 1, 2, 3, 9, 5, 6));
        JSONObject parity = run().getJSONObject("parity");
        assertTrue(rehearsal.done.contains("feed [1, 2] [3, 4, 5]"));
        assertEquals(1, parity.getInt("differing_bytes"));
        assertEquals(1, parity.getJSONObject("differing_by_output").getInt("boxes"));

        arguments.put("golden_output", file("short", 1, 2, 3, 4, 5));
        parity = run().getJSONObject("parity");
        assertEquals(1, parity.getJSONObject("differing_by_output").getInt("scores"));
        arguments.put("golden_output", file("long", 1, 2, 3, 4, 5, 6, 7));
        parity = run().getJSONObject("parity");
        assertEquals(1, parity.getInt("differing_bytes"));
        assertEquals(0, parity.getJSONObject("differing_by_output").getInt("scores"));
    }

    @Test
    public void anotherNumberOfGoldenFilesThanTensorsIsAnError() throws IOException {
        detector();
        List<String> two = Arrays.asList(file("left", 1, 2), file("right", 3, 4, 5));
        List<String> three = Arrays.asList(file("a", 1, 2), file("b", 3), file("c", 4));
        arguments.put("golden_input", three).put("golden_output", two);
        fails(run(), "golden_input names 3 files; the model has 2 inputs");
        arguments.put("golden_input", two).put("golden_output", three);
        fails(run(), "golden_output names 3 files; the model has 2 outputs");
        arguments.put("golden_input", Arrays.asList(file("left", 1, 2), file("right", 3, 4)));
        fails(run(), "golden_input 2 has 2 bytes; the model's input holds 3");
        arguments.put("golden_input", file("in", 1, 2, 3, 4));
        fails(run(), "golden_input has 4 bytes; the model's inputs hold 5");
    }

    @Test
    public void goldenInputOfAnotherSizeIsAnError() throws IOException {
        arguments.put("golden_input", file("in", 0)).put("golden_output", file("out", 1, 2, 3));
        JSONObject result = run();
        fails(result, "golden_input has 1 bytes");
        assertTrue(result.getJSONObject("parity").isNull("identical"));
    }

    @Test
    public void whateverGoesWrongThereIsAResult() {
        rehearsal.failure = new IllegalArgumentException("Internal error: Op builtin_code out of range: 999");
        JSONObject result = run();
        fails(result, "Op builtin_code out of range");
        assertEquals("m.tflite", result.getJSONObject("model").getString("name"));
        assertTrue(rehearsal.done.contains("close"));
        rehearsal.failure = new UnsatisfiedLinkError("no tensorflowlite_jni in java.library.path");
        fails(run(), "no tensorflowlite_jni");
        rehearsal.failure = new OutOfMemoryError();
        fails(run(), "not enough memory");
        rehearsal.failure = new IllegalStateException();
        fails(run(), "IllegalStateException");
    }

    @Test
    public void aModelThatIsNotThereIsNamed() {
        arguments.put("model", "/no/such/m.tflite");
        fails(run(), "'/no/such/m.tflite' cannot be read");
    }

    @Test
    public void wrongArgumentsAreAResultToo() {
        arguments.put("threads", 0);
        JSONObject result = run();
        fails(result, "'threads'");
        assertEquals("r1", result.getString("run_id"));
        arguments.put("run_id", "../r1");
        result = run();
        fails(result, "run_id");
        assertTrue(result.isNull("run_id"));
        fails(rehearsal.run().execute("no json"), "JSON");
        fails(rehearsal.run().execute(null), "JSON");
    }

    @Test
    public void measuringGoesOnForTheTimeAsked() {
        arguments.put("min_secs", 1);
        List<Object> samples = run().getJSONArray("samples_us").toList();
        assertEquals(500, samples.size()); // of 2 ms
    }

    @Test
    public void aSlowModelIsCutOffAndSaysSo() {
        rehearsal.inferences = new long[] {40_000_000_000L};
        JSONObject result = run();
        assertEquals(4, result.getJSONArray("samples_us").length());
        arguments.put("runs", 50);
        result = run();
        assertEquals(4, result.getJSONArray("samples_us").length());
        assertEquals("4 of 50 samples within 150 s", result.getJSONArray("why_not_valid").getString(0));
    }

    private void invalid(String why) {
        JSONObject result = run();
        assertFalse(result.getBoolean("valid"));
        assertEquals("[\"" + why + "\"]", result.getJSONArray("why_not_valid").toString());
        assertTrue(result.isNull("error"));
    }

    @Test
    public void anEmulatorIsNoPhone() {
        rehearsal.emulator = true;
        invalid("an emulator, not a phone");
    }

    @Test
    public void anotherDelegateThanAskedIsNotValid() {
        rehearsal.delegation = Delegation.unknown();
        invalid("delegate xnnpack asked, unknown got");
    }

    @Test
    public void coresThatCouldNotBeSetAreNotValid() {
        rehearsal.allowed = null;
        invalid("big cores asked, but the thread could not be kept to them");
        assertTrue(run().isNull("affinity"));
    }

    @Test
    public void moreThreadsThanCoresIsNotValid() {
        arguments.put("threads", 4);
        invalid("4 threads on 2 cores");
    }

    @Test
    public void heatIsNotValid() {
        rehearsal.conditions = Arrays.asList(new Conditions(2, 40.0, 80, false, false));
        invalid("warm before the run: thermal status 2");
        rehearsal.conditions = new java.util.ArrayList<>(
                Arrays.asList(new Conditions(0, 30.0, 80, false, false), new Conditions(1, 39.0, 80, false, false)));
        invalid("grew warm in the run: thermal status 1");
    }

    @Test
    public void littlePowerIsNotValid() {
        rehearsal.conditions = Arrays.asList(new Conditions(null, null, 12, false, null));
        invalid("battery at 12 %");
        rehearsal.conditions = Arrays.asList(new Conditions(null, null, 12, true, null));
        assertTrue(run().getBoolean("valid"));
        rehearsal.conditions = Arrays.asList(new Conditions(null, null, 90, false, true));
        invalid("battery saver is on");
    }

    @Test
    public void aPersonReadsItInAFewLines() {
        String shown = Summary.of(run());
        assertTrue(shown, shown.contains("median     2.000 ms\n"));
        assertTrue(shown, shown.contains("delegate   xnnpack, 9 of 9 nodes\n"));
        assertTrue(shown, shown.contains("cores      [2,3]\n"));
        rehearsal.emulator = true;
        assertTrue(Summary.of(run()).contains("not valid  an emulator"));
        arguments.put("model", "/no/such");
        assertTrue(Summary.of(run()).startsWith("error      The model"));
    }
}
