package dev.kerasint8.bench.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A phone and an engine that do as they are told; time passes only where they say so. */
final class Rehearsal implements Phone, Measurement.Clock, Measurement.Progress {
    long now;
    /** Nanoseconds of an inference: the given ones in turn, then the last again. */
    long[] inferences = {2_000_000};
    int[] inputSizes = {4};
    List<byte[]> outputs = Arrays.asList(new byte[] {1, 2, 3});
    List<String> outputNames = Arrays.asList("y");
    Throwable failure;
    Delegation delegation =
            Delegation.of(Arrays.asList("m", "Replacing 9 out of 9 node(s) with delegate (TfLiteXNNPackDelegate) node, "
                    + "yielding 1 partitions"), "m", "xnnpack");
    List<Integer> allowed = Arrays.asList(2, 3);
    List<Conditions> conditions = new ArrayList<>(Arrays.asList(
            new Conditions(0, 30.5, 80, false, false), new Conditions(0, 31.0, 79, false, false)));
    boolean emulator;
    final List<String> done = new ArrayList<>();

    Run run() {
        return new Run(this, (model, arguments) -> new Actor(), this, this);
    }

    @Override
    public Facts facts() {
        return new Facts("Maker", "Phone 1", "Chip 2", "arm64-v8a", "14", emulator);
    }

    @Override
    public Conditions conditions() {
        return conditions.size() > 1 ? conditions.remove(0) : conditions.get(0);
    }

    @Override
    public List<Core> cores() {
        return Arrays.asList(new Core(0, 1_800_000), new Core(1, 1_800_000), new Core(2, 2_400_000), new Core(3, 2_800_000));
    }

    @Override
    public List<Integer> pin(List<Integer> cores) {
        done.add("pin " + cores);
        return allowed;
    }

    @Override
    public Double peakMegabytes() {
        return 123.5;
    }

    @Override
    public String version() {
        return "1.0";
    }

    @Override
    public String now() {
        return "2026-01-02T03:04:05+00:00";
    }

    @Override
    public long nanos() {
        return now;
    }

    @Override
    public void at(String stage, int samples, int total) {
        done.add(stage);
    }

    private final class Actor implements Engine {
        private int invoked;

        @Override
        public void open() {
            done.add("open");
            now += 5_000_000;
            if (failure instanceof Error) {
                throw (Error) failure;
            }
            if (failure instanceof RuntimeException) {
                throw (RuntimeException) failure;
            }
        }

        @Override
        public int[] inputSizes() {
            return inputSizes;
        }

        @Override
        public void feed(List<byte[]> inputs) {
            StringBuilder fed = new StringBuilder("feed");
            for (byte[] input : inputs) {
                fed.append(' ').append(Arrays.toString(input));
            }
            done.add(fed.toString());
        }

        @Override
        public void feedAnything() {
            done.add("feed anything");
        }

        @Override
        public long invoke() {
            long nanos = inferences[Math.min(invoked++, inferences.length - 1)];
            now += nanos;
            return nanos;
        }

        @Override
        public List<byte[]> outputs() {
            return outputs;
        }

        @Override
        public List<String> outputNames() {
            return outputNames;
        }

        @Override
        public Delegation delegation() {
            return delegation;
        }

        @Override
        public String runtime() {
            return "rehearsal/1";
        }

        @Override
        public void close() {
            done.add("close");
        }
    }
}
