package dev.kerasint8.bench.core;

import org.json.JSONException;
import org.json.JSONObject;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** One run from the arguments to the result. Whatever happens, there is a result. */
public final class Run {
    private final Phone phone;
    private final Engines engines;
    private final Measurement.Clock clock;
    private final Measurement.Progress progress;

    /** Makes the engine for a model. */
    public interface Engines {
        Engine make(ByteBuffer model, Arguments arguments) throws Exception;
    }

    public Run(Phone phone, Engines engines, Measurement.Clock clock, Measurement.Progress progress) {
        this.phone = phone;
        this.engines = engines;
        this.clock = clock;
        this.progress = progress;
    }

    /**
     * Does what the arguments ask, on this thread: it and those that the engine starts are kept to the cores asked.
     *
     * @param arguments JSON as {@link Arguments#parse} takes it.
     * @return the result, with `error` set where it went wrong. Its run_id is null where the arguments have none.
     */
    public JSONObject execute(String arguments) {
        try {
            Result result = new Result(Arguments.runIdOf(arguments), phone);
            try {
                measure(Arguments.parse(arguments), result);
            } catch (BadArguments wrong) {
                result.error(wrong.getMessage());
            } catch (OutOfMemoryError full) {
                result.error("There is not enough memory for this model.");
            } catch (Exception | LinkageError failed) { // LinkageError: a native library that does not load
                result.error(describe(failed));
            }
            return result.json();
        } catch (JSONException impossible) { // thrown for NaN and null keys, which are not put
            throw new IllegalStateException(impossible);
        }
    }

    private void measure(Arguments asked, Result result) throws Exception {
        result.asked(asked);
        Conditions before = phone.conditions();
        result.conditions(before, null);
        File file = new File(asked.model);
        progress.at("reading " + file.getName(), 0, asked.runs);
        ByteBuffer model = Storage.model(file);
        result.model(file.getName(), Storage.sha256(model), model.remaining());
        List<byte[]> goldenInputs = contents(asked.goldenInputs);
        List<byte[]> goldenOutputs = contents(asked.goldenOutputs);
        // Before the engine: its threads inherit what this one may run on.
        List<Integer> wanted = asked.affinity.equals("big") ? Cores.big(phone.cores()) : Collections.<Integer>emptyList();
        List<Integer> pinned = wanted.isEmpty() ? null : phone.pin(wanted);
        result.affinity(pinned);
        try (Engine engine = engines.make(model, asked)) {
            long begin = clock.nanos();
            engine.open();
            long initUs = (clock.nanos() - begin) / 1000;
            String runner = "android-bench/" + phone.version() + " " + engine.runtime();
            result.opened(asked, engine.delegation(), initUs, runner);
            if (goldenInputs.isEmpty()) {
                engine.feedAnything();
            } else {
                result.parity(null);
                engine.feed(GoldenInputs.of(goldenInputs, engine.inputSizes()));
            }
            Measurement measurement = Measurement.take(engine, asked, clock, progress);
            if (!goldenInputs.isEmpty()) {
                result.parity(Parity.of(engine.outputs(), engine.outputNames(), goldenOutputs));
            }
            result.measured(measurement, phone.peakMegabytes());
            Conditions after = phone.conditions();
            result.conditions(before, after);
            result.valid(Validity.reasons(asked, phone.facts(), engine.delegation(), pinned,
                    measurement.samplesUs.length, before, after));
        }
    }

    private static List<byte[]> contents(List<String> files) throws IOException {
        List<byte[]> contents = new ArrayList<>();
        for (String file : files) {
            contents.add(Storage.bytes(new File(file)));
        }
        return contents;
    }

    private static String describe(Throwable failed) {
        String message = failed.getMessage();
        String first = message == null ? "" : message.trim();
        return first.isEmpty() ? failed.getClass().getSimpleName() : first;
    }
}
