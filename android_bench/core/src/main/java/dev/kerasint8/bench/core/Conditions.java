package dev.kerasint8.bench.core;

/** How warm the phone is and how it is powered, at one moment. Null: the phone does not say. */
public final class Conditions {
    /** Android's thermal status: 0 none, 1 light, 2 moderate, 3 severe … */
    public final Integer thermalStatus;
    /** The battery's temperature: the only one that every app may read. */
    public final Double celsius;
    public final Integer batteryPercent;
    public final Boolean charging;
    /** The battery saver lowers clocks. */
    public final Boolean powerSave;

    public Conditions(Integer thermalStatus, Double celsius, Integer batteryPercent, Boolean charging,
            Boolean powerSave) {
        this.thermalStatus = thermalStatus;
        this.celsius = celsius;
        this.batteryPercent = batteryPercent;
        this.charging = charging;
        this.powerSave = powerSave;
    }
}
