package dev.kerasint8.bench.core;

/** What runs a model. The app's is TFLite's Interpreter; the tests have their own. */
public interface Engine extends AutoCloseable {
    /** Prepares the model: reads it, applies the delegate, allocates its tensors. */
    void open() throws Exception;

    /**
     * Sets the inputs to these raw bytes, in the model's order, one after the other.
     *
     * @throws BadArguments another number of bytes than the inputs hold.
     */
    void feed(byte[] inputs);

    /** Sets the inputs to any values, the same every time. */
    void feedAnything();

    /**
     * Runs once, as if nothing had run before: what the model keeps from one inference to the next is reset.
     *
     * @return nanoseconds that the runtime's own call took, without copying inputs and outputs.
     */
    long invoke() throws Exception;

    /** What the last call left in the outputs, raw bytes, one after the other. */
    byte[] outputs();

    /** Which delegate took what. Known after {@link #open}. */
    Delegation delegation();

    /** The runtime and its version, for example tflite/2.16.1. */
    String runtime();

    @Override
    void close();
}
