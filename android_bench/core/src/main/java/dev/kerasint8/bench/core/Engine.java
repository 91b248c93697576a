package dev.kerasint8.bench.core;

import java.util.List;

/** What runs a model. The app's is TFLite's Interpreter; the tests have their own. */
public interface Engine extends AutoCloseable {
    /** Prepares the model: reads it, applies the delegate, gives its inputs the shapes asked, allocates its tensors. */
    void open() throws Exception;

    /** How many bytes each input holds, in the model's order. Known after {@link #open}. */
    int[] inputSizes();

    /** Sets the inputs to these raw bytes, in the model's order, each as many as {@link #inputSizes} says. */
    void feed(List<byte[]> inputs);

    /** Sets the inputs to any values, the same every time. */
    void feedAnything();

    /**
     * Runs once, as if nothing had run before: what the model keeps from one inference to the next is reset.
     *
     * @return nanoseconds that the runtime's own call took, without copying inputs and outputs.
     */
    long invoke() throws Exception;

    /** What the last call left in the outputs, raw bytes, in the model's order. */
    List<byte[]> outputs();

    /** What the outputs are called, in the same order: by the model's first signature, else its tensors' names. */
    List<String> outputNames();

    /** Which delegate took what. Known after {@link #open}. */
    Delegation delegation();

    /** The runtime and its version, for example tflite/2.16.1. */
    String runtime();

    @Override
    void close();
}
