package dev.kerasint8.bench.core;

import java.util.ArrayList;
import java.util.List;

/** Reasons not to trust a number. An empty list: none was found. */
public final class Validity {
    /** Below this, phones lower their clocks. */
    private static final int LOW_BATTERY = 20;

    private Validity() {}

    /**
     * @param pinned the cores the kernel allowed, null where none were set.
     * @param samples taken.
     */
    public static List<String> reasons(Arguments asked, Phone.Facts facts, Delegation delegation,
            List<Integer> pinned, int samples, Conditions before, Conditions after) {
        List<String> reasons = new ArrayList<>();
        if (facts.emulator) {
            reasons.add("an emulator, not a phone");
        }
        if (samples < asked.runs) {
            reasons.add(samples + " of " + asked.runs + " samples within " + (int) Measurement.MOST_SECONDS + " s");
        }
        if (!delegation.got.equals(asked.delegate)) {
            reasons.add("delegate " + asked.delegate + " asked, " + delegation.got + " got");
        }
        if (asked.affinity.equals("big") && pinned == null) {
            reasons.add("big cores asked, but the thread could not be kept to them");
        }
        if (pinned != null && pinned.size() < asked.threads) {
            reasons.add(asked.threads + " threads on " + pinned.size() + " cores");
        }
        thermal(reasons, before, after);
        if (before.batteryPercent != null && before.batteryPercent < LOW_BATTERY
                && !Boolean.TRUE.equals(before.charging)) {
            reasons.add("battery at " + before.batteryPercent + " %");
        }
        if (Boolean.TRUE.equals(before.powerSave) || Boolean.TRUE.equals(after.powerSave)) {
            reasons.add("battery saver is on");
        }
        return reasons;
    }

    private static void thermal(List<String> reasons, Conditions before, Conditions after) {
        if (before.thermalStatus != null && before.thermalStatus > 0) {
            reasons.add("warm before the run: thermal status " + before.thermalStatus);
        } else if (after.thermalStatus != null && after.thermalStatus > 0) {
            reasons.add("grew warm in the run: thermal status " + after.thermalStatus);
        }
    }
}
