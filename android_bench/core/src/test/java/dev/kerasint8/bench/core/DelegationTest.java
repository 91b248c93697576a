package dev.kerasint8.bench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;

import org.junit.Test;

import java.util.Arrays;
import java.util.Collections;

public final class DelegationTest {
    private static final String MARKER = "opening for r1";
    private static final String XNNPACK = "11-24 18:40:00.100  4242  4260 I tflite  : Replacing 64 out of 66 node(s) with "
            + "delegate (TfLiteXNNPackDelegate) node, yielding 3 partitions for the whole graph.";
    private static final String GPU = "I tflite  : Replacing 60 out of 66 node(s) with delegate (TfLiteGpuDelegateV2) node, "
            + "yielding 2 partitions for subgraph 0.";

    private static Delegation of(String asked, String... lines) {
        return Delegation.of(Arrays.asList(lines), MARKER, asked);
    }

    @Test
    public void theLineSaysHowMuchWasTaken() {
        Delegation found = of("xnnpack", "I kerasint8: " + MARKER, XNNPACK);
        assertEquals("xnnpack", found.got);
        assertEquals(Integer.valueOf(64), found.delegatedNodes);
        assertEquals(Integer.valueOf(66), found.totalNodes);
        assertEquals(Integer.valueOf(3), found.partitions);
    }

    @Test
    public void ofSeveralTheOneAskedForCounts() {
        assertEquals("gpu", of("gpu", MARKER, GPU, XNNPACK).got);
        assertEquals("gpu", of("gpu", MARKER, XNNPACK, GPU).got);
        assertEquals("xnnpack", of("gpu", MARKER, XNNPACK).got);
    }

    @Test
    public void linesOfAnEarlierModelDoNotCount() {
        assertEquals("none", of("xnnpack", XNNPACK, MARKER).got);
        assertEquals("gpu", of("gpu", MARKER, XNNPACK, MARKER, GPU).got);
    }

    @Test
    public void aReadableLogWithoutTheLineMeansNone() {
        Delegation found = of("xnnpack", MARKER, "I tflite: Created TensorFlow Lite XNNPACK delegate for CPU.");
        assertEquals("none", found.got);
        assertEquals(Integer.valueOf(0), found.delegatedNodes);
        assertNull(found.totalNodes);
    }

    @Test
    public void aLogThatCannotBeReadMeansUnknown() {
        assertEquals("unknown", Delegation.of(Collections.<String>emptyList(), MARKER, "xnnpack").got);
        assertNull(of("xnnpack", XNNPACK).delegatedNodes);
    }

    @Test
    public void anotherDelegateKeepsItsName() {
        assertEquals("TfLiteNnapiDelegate", of("gpu", MARKER, GPU.replace("TfLiteGpuDelegateV2", "TfLiteNnapiDelegate")).got);
    }
}
