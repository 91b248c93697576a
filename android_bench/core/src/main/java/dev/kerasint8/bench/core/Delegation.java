package dev.kerasint8.bench.core;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which delegate took how many of the model's operators: read off the line that TFLite logs, not believed. */
public final class Delegation {
    /** TFLite's C++ writes it to the log, and no method of its Java API says it. */
    private static final Pattern LINE = Pattern.compile(
            "Replacing (\\d+) out of (\\d+) node\\(s\\) with delegate \\(([^)]*)\\) node, yielding (\\d+) partitions");

    /** xnnpack, gpu, none, unknown, or the delegate's own name. */
    public final String got;
    /** Null where the log says nothing. */
    public final Integer delegatedNodes;
    public final Integer totalNodes;
    public final Integer partitions;

    private Delegation(String got, Integer delegatedNodes, Integer totalNodes, Integer partitions) {
        this.got = got;
        this.delegatedNodes = delegatedNodes;
        this.totalNodes = totalNodes;
        this.partitions = partitions;
    }

    /** The log could not be read. */
    public static Delegation unknown() {
        return new Delegation("unknown", null, null, null);
    }

    /**
     * What the log says.
     *
     * @param log the process's lines, in order.
     * @param marker a line that was logged right before the model was opened; older lines belong to other models.
     * @param asked the delegate whose line is wanted where several took part.
     */
    public static Delegation of(List<String> log, String marker, String asked) {
        boolean begun = false;
        Delegation found = null;
        for (String line : log) {
            if (line.contains(marker)) {
                begun = true;
                found = null;
                continue;
            }
            Matcher matcher = LINE.matcher(line);
            if (!begun || !matcher.find()) {
                continue;
            }
            Delegation taken = new Delegation(name(matcher.group(3)), Integer.valueOf(matcher.group(1)),
                    Integer.valueOf(matcher.group(2)), Integer.valueOf(matcher.group(4)));
            if (found == null || taken.got.equals(asked)) {
                found = taken;
            }
        }
        if (!begun) {
            return unknown();
        }
        return found != null ? found : new Delegation("none", 0, null, null);
    }

    private static String name(String delegate) {
        if (delegate.toLowerCase(java.util.Locale.ROOT).contains("xnnpack")) {
            return "xnnpack";
        }
        return delegate.toLowerCase(java.util.Locale.ROOT).contains("gpu") ? "gpu" : delegate;
    }
}
