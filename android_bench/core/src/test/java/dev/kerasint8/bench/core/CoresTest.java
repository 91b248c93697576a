package dev.kerasint8.bench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

public final class CoresTest {
    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    private static List<Core> cores(int... clocks) {
        List<Core> cores = new ArrayList<>();
        for (int id = 0; id < clocks.length; id++) {
            cores.add(new Core(id, clocks[id]));
        }
        return cores;
    }

    private void cpu(String name, String clock) throws IOException {
        File frequency = new File(folder.getRoot(), name + "/cpufreq");
        assertTrue(frequency.mkdirs());
        if (clock != null) {
            Files.write(new File(frequency, "cpuinfo_max_freq").toPath(), clock.getBytes());
        }
    }

    @Test
    public void theTopologyIsReadInTheOrderOfTheIds() throws IOException {
        cpu("cpu10", "2800000\n");
        cpu("cpu2", "1800000\n");
        cpu("cpu0", null);
        cpu("cpufreq", "1\n");
        cpu("cpuidle", "1\n");
        List<Core> found = Cores.read(folder.getRoot());
        assertEquals(3, found.size());
        assertEquals(0, found.get(0).maxKhz);
        assertEquals(2, found.get(1).id);
        assertEquals(2800000, found.get(2).maxKhz);
        assertTrue(Cores.read(new File(folder.getRoot(), "none")).isEmpty());
    }

    @Test
    public void aClockThatIsNoNumberIsUnknown() throws IOException {
        cpu("cpu0", "<unknown>\n");
        cpu("cpu1", "");
        assertEquals(0, Cores.read(folder.getRoot()).get(0).maxKhz);
        assertEquals(0, Cores.read(folder.getRoot()).get(1).maxKhz);
    }

    @Test
    public void bigAreAllButTheSlowestKind() {
        assertEquals(Arrays.asList(4, 5, 6, 7), Cores.big(cores(18, 18, 18, 18, 24, 24, 24, 28)));
        assertEquals(Arrays.asList(6, 7), Cores.big(cores(17, 17, 17, 17, 17, 17, 22, 22)));
        assertEquals(Arrays.asList(0, 1), Cores.big(cores(30, 30, 20)));
    }

    @Test
    public void whereAllAreAlikeAllAreBig() {
        assertEquals(Arrays.asList(0, 1, 2, 3), Cores.big(cores(20, 20, 20, 20)));
    }

    @Test
    public void whereAClockIsUnknownNoneIsCalledBig() {
        assertTrue(Cores.big(cores(0, 0, 20)).isEmpty());
        assertTrue(Cores.big(Collections.<Core>emptyList()).isEmpty());
    }

    @Test
    public void theMaskHasABitACore() {
        assertEquals(0xF0, Cores.mask(Arrays.asList(4, 5, 6, 7)));
        assertEquals(1L << 63, Cores.mask(Collections.singletonList(63)));
        assertEquals(1, Cores.mask(Arrays.asList(0, 64)));
    }

    @Test
    public void whatTheKernelAllowsIsReadBack() {
        assertEquals(Arrays.asList(0, 4, 5, 6), Cores.allowed("Name:\tx\nCpus_allowed:\t71\nCpus_allowed_list:\t0,4-6\n"));
        assertNull(Cores.allowed("Name:\tx\n"));
    }
}
