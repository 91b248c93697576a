package dev.kerasint8.bench.core;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeMap;

/** The cores of a phone, and which of them are the big ones. */
public final class Cores {
    private Cores() {}

    /**
     * Reads the topology.
     *
     * @param cpus the kernel's folder, /sys/devices/system/cpu.
     * @return the cores by id; empty where the folder cannot be read.
     */
    public static List<Core> read(File cpus) {
        TreeMap<Integer, Core> found = new TreeMap<>();
        File[] folders = cpus.listFiles();
        for (File folder : folders == null ? new File[0] : folders) {
            if (folder.getName().matches("cpu\\d+")) {
                int id = Integer.parseInt(folder.getName().substring(3));
                found.put(id, new Core(id, number(new File(folder, "cpufreq/cpuinfo_max_freq"))));
            }
        }
        return new ArrayList<>(found.values());
    }

    /**
     * The cores that are not of the slowest kind: the big ones, and the prime one where there is one.
     *
     * @return their ids; all of them where all are alike, none where a clock is not known.
     */
    public static List<Integer> big(List<Core> cores) {
        int slowest = Integer.MAX_VALUE;
        int fastest = 0;
        for (Core core : cores) {
            slowest = Math.min(slowest, core.maxKhz);
            fastest = Math.max(fastest, core.maxKhz);
        }
        if (slowest <= 0) {
            return Collections.emptyList();
        }
        List<Integer> ids = new ArrayList<>();
        for (Core core : cores) {
            if (core.maxKhz > slowest || slowest == fastest) {
                ids.add(core.id);
            }
        }
        return ids;
    }

    /** The bits that the kernel's sched_setaffinity takes; core 0 is the lowest. Cores above 63 are left out. */
    public static long mask(List<Integer> ids) {
        long mask = 0;
        for (int id : ids) {
            mask |= id < 64 ? 1L << id : 0;
        }
        return mask;
    }

    /**
     * The cores that a thread may run on.
     *
     * @param status the content of /proc/thread-self/status.
     * @return the ids in Cpus_allowed_list (for example 0-3,7); null without that line.
     */
    public static List<Integer> allowed(String status) {
        for (String line : status.split("\n")) {
            if (!line.startsWith("Cpus_allowed_list:")) {
                continue;
            }
            List<Integer> ids = new ArrayList<>();
            for (String range : line.substring(line.indexOf(':') + 1).trim().split(",")) {
                String[] ends = range.split("-");
                for (int id = Integer.parseInt(ends[0]); id <= Integer.parseInt(ends[ends.length - 1]); id++) {
                    ids.add(id);
                }
            }
            return ids;
        }
        return null;
    }

    private static int number(File file) {
        try (BufferedReader reader = new BufferedReader(
                new InputStreamReader(new FileInputStream(file), StandardCharsets.US_ASCII))) {
            String line = reader.readLine();
            return line == null ? 0 : Integer.parseInt(line.trim());
        } catch (IOException | NumberFormatException unknown) {
            return 0;
        }
    }
}
