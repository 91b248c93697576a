package dev.kerasint8.bench.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;

import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;

public final class StorageTest {
    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    @Test
    public void aResultReplacesTheOneBeforeAndLeavesNothingElse() throws IOException {
        File results = new File(folder.getRoot(), "a/results");
        Storage.write(results, "r1", "{\"old\": true}");
        File written = Storage.write(results, "r1", "{\"new\": \"ö\"}");
        assertEquals(new File(results, "r1.json"), written);
        assertEquals("{\"new\": \"ö\"}", new String(Files.readAllBytes(written.toPath()), StandardCharsets.UTF_8));
        assertArrayEquals(new String[] {"r1.json"}, results.list());
    }

    @Test
    public void aFolderThatCannotBeMadeIsAnError() throws IOException {
        File file = folder.newFile("file");
        assertThrows(IOException.class, () -> Storage.write(new File(file, "results"), "r1", "{}"));
    }

    @Test
    public void anEmptyModelIsReadAsEmpty() throws IOException {
        assertEquals(0, Storage.model(folder.newFile("m")).remaining());
    }

    @Test
    public void peakMemoryIsReadOffTheKernelsLine() {
        assertEquals(2.5, Memory.peakMegabytes("VmPeak:\t 9999 kB\nVmHWM:\t    2560 kB\n"), 0);
        assertNull(Memory.peakMegabytes(""));
    }
}
