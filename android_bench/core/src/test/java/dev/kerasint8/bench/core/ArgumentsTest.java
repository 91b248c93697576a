package dev.kerasint8.bench.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

import java.util.Arrays;
import java.util.Collections;

public final class ArgumentsTest {
    private static final String LEAST = "{\"run_id\": \"r1\", \"model\": \"/data/local/tmp/m.tflite\"}";

    private static void refused(String text, String why) {
        BadArguments wrong = assertThrows(text, BadArguments.class, () -> Arguments.parse(text));
        assertTrue(wrong.getMessage(), wrong.getMessage().contains(why));
    }

    private static String with(String key, String value) {
        return LEAST.replace("}", ", \"" + key + "\": " + value + "}");
    }

    @Test
    public void whatIsLeftOutHasDefaults() {
        Arguments arguments = Arguments.parse(LEAST);
        assertEquals("r1", arguments.runId);
        assertEquals("/data/local/tmp/m.tflite", arguments.model);
        assertEquals("xnnpack", arguments.delegate);
        assertEquals("big", arguments.affinity);
        assertEquals(1, arguments.threads);
        assertEquals(50, arguments.runs);
        assertTrue(arguments.goldenInputs.isEmpty());
    }

    @Test
    public void everythingCanBeSaid() {
        Arguments arguments = Arguments.parse("{\"run_id\": \"a.b-c_1\", \"model\": \"/m\", \"threads\": 4, \"delegate\": "
                + "\"gpu\", \"runs\": 9, \"min_secs\": 0.5, \"warmup_runs\": 0, \"affinity\": \"all\", "
                + "\"golden_input\": \"/in\", \"golden_output\": \"/out\"}");
        assertEquals(4, arguments.threads);
        assertEquals("gpu", arguments.delegate);
        assertEquals(9, arguments.runs);
        assertEquals(0.5, arguments.minSeconds, 0);
        assertEquals(0, arguments.warmupRuns);
        assertEquals("all", arguments.affinity);
        assertEquals(Collections.singletonList("/out"), arguments.goldenOutputs);
    }

    @Test
    public void nullIsAsLeftOut() {
        Arguments arguments = Arguments.parse(with("golden_input", "null").replace("}", ", \"golden_output\": null}"));
        assertTrue(arguments.goldenInputs.isEmpty());
        assertTrue(arguments.goldenOutputs.isEmpty());
    }

    @Test
    public void aRunIdNeverLeadsToAnotherFolder() {
        for (String id : new String[] {"../x", "a/b", "", ".hidden", "a b", "a\\\\b", "-x", "a\\n"}) {
            String text = LEAST.replace("r1", id);
            assertThrows(id, BadArguments.class, () -> Arguments.parse(text));
            assertNull(id, Arguments.runIdOf(text));
        }
        refused(LEAST.replace("r1", new String(new char[121]).replace('\0', 'a')), "at most 120");
    }

    @Test
    public void wrongValuesAreNamed() {
        refused(with("threads", "0"), "'threads' must be from 1 to 64, not 0.");
        refused(with("threads", "1.5"), "whole number");
        refused(with("threads", "\"4\""), "'threads' must be a number");
        refused(with("delegate", "\"nnapi\""), "one of [xnnpack, gpu, none], not 'nnapi'");
        refused(with("affinity", "3"), "'affinity' must be text");
        refused(with("min_secs", "1e9"), "'min_secs'");
        refused(with("runs", "-1"), "'runs'");
        refused(with("golden_input", "\"/in\""), "go together");
        refused(with("thread", "1"), "Unknown key 'thread'");
        refused("{\"run_id\": \"r\"}", "'model' is missing");
        refused("{\"model\": \"/m\"}", "'run_id' is missing");
        refused(LEAST.replace("/data", "data"), "absolute path");
    }

    @Test
    public void whatIsNoObjectIsRefused() {
        for (String text : new String[] {null, "", "[]", "\"text\"", "{\"run_id\": ", "12"}) {
            assertThrows(String.valueOf(text), BadArguments.class, () -> Arguments.parse(text));
            assertNull(Arguments.runIdOf(text));
        }
    }

    @Test
    public void theRunIdIsFoundInArgumentsThatAreWrongOtherwise() {
        assertEquals("r1", Arguments.runIdOf(with("threads", "0")));
    }

    @Test
    public void severalTensorsAreListed() {
        Arguments arguments = Arguments.parse("{\"run_id\": \"r\", \"model\": \"/m\", \"golden_input\": [\"/a\", \"/b\"], "
                + "\"golden_output\": \"/out\", \"input_shapes\": [[1, 3], []]}");
        assertEquals(Arrays.asList("/a", "/b"), arguments.goldenInputs);
        assertEquals(Arrays.asList("/out"), arguments.goldenOutputs);
        assertEquals(2, arguments.inputShapes.size());
        assertArrayEquals(new int[] {1, 3}, arguments.inputShapes.get(0));
        assertArrayEquals(new int[0], arguments.inputShapes.get(1));
        refused(with("golden_input", "[\"/in\", 3]"), "a list of files");
        refused(with("golden_input", "[\"\"]"), "a list of files");
        refused(with("input_shapes", "[[1, 0]]"), "a list of shapes");
        refused(with("input_shapes", "[1, 3]"), "a list of shapes");
        refused(with("input_shapes", "3"), "a list of shapes");
    }
}
