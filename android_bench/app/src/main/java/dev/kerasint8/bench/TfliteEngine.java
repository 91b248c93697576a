package dev.kerasint8.bench;

import android.util.Log;

import dev.kerasint8.bench.core.Arguments;
import dev.kerasint8.bench.core.BadArguments;
import dev.kerasint8.bench.core.Delegation;
import dev.kerasint8.bench.core.Engine;
import dev.kerasint8.bench.core.Run;

import org.tensorflow.lite.DataType;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;
import org.tensorflow.lite.TensorFlowLite;
import org.tensorflow.lite.gpu.GpuDelegate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** TFLite's Interpreter. Inputs and outputs are raw bytes, so that nothing is converted on the way. */
final class TfliteEngine implements Engine {
    /** Makes them. */
    static final Run.Engines ALL = new Run.Engines() {
        @Override
        public Engine make(ByteBuffer model, Arguments arguments) {
            return new TfliteEngine(model, arguments);
        }
    };

    private final ByteBuffer model;
    private final Arguments arguments;
    private GpuDelegate gpu;
    private Interpreter interpreter;
    private Object[] inputs;
    private Map<Integer, Object> outputs;
    private String opening;
    private Delegation delegation;

    private TfliteEngine(ByteBuffer model, Arguments arguments) {
        this.model = model;
        this.arguments = arguments;
    }

    @Override
    public void open() {
        opening = "opening for " + arguments.runId + " at " + System.nanoTime();
        Log.i(OwnLog.TAG, opening);
        Interpreter.Options options = new Interpreter.Options();
        options.setNumThreads(arguments.threads);
        options.setUseXNNPACK(!arguments.delegate.equals("none"));
        if (arguments.delegate.equals("gpu")) {
            gpu = new GpuDelegate(); // XNNPACK stays on for what the GPU leaves to the CPU
            options.addDelegate(gpu);
        }
        interpreter = new Interpreter(model, options);
        if (!arguments.inputShapes.isEmpty() && arguments.inputShapes.size() != interpreter.getInputTensorCount()) {
            throw new BadArguments("input_shapes has " + arguments.inputShapes.size() + " shapes; the model has "
                    + interpreter.getInputTensorCount() + " inputs.");
        }
        for (int index = 0; index < arguments.inputShapes.size(); index++) {
            interpreter.resizeInput(index, arguments.inputShapes.get(index));
        }
        interpreter.allocateTensors();
        inputs = new Object[interpreter.getInputTensorCount()];
        for (int index = 0; index < inputs.length; index++) {
            inputs[index] = direct(interpreter.getInputTensor(index));
        }
        outputs = new HashMap<>();
        for (int index = 0; index < interpreter.getOutputTensorCount(); index++) {
            outputs.put(index, direct(interpreter.getOutputTensor(index)));
        }
    }

    @Override
    public int[] inputSizes() {
        int[] sizes = new int[inputs.length];
        for (int index = 0; index < sizes.length; index++) {
            sizes[index] = ((ByteBuffer) inputs[index]).capacity();
        }
        return sizes;
    }

    @Override
    public void feed(List<byte[]> bytes) {
        for (int index = 0; index < inputs.length; index++) {
            ByteBuffer buffer = (ByteBuffer) inputs[index];
            buffer.clear();
            buffer.put(bytes.get(index));
        }
    }

    /** Bytes of all values for 8-bit inputs, −1 to 1 for float ones, 0 and 1 for the rest, which are often indices. */
    @Override
    public void feedAnything() {
        Random random = new Random(0);
        for (int index = 0; index < inputs.length; index++) {
            ByteBuffer buffer = (ByteBuffer) inputs[index];
            Tensor tensor = interpreter.getInputTensor(index);
            DataType type = tensor.dataType();
            buffer.clear();
            for (int element = 0; element < tensor.numElements(); element++) {
                if (type == DataType.INT8 || type == DataType.UINT8) {
                    buffer.put((byte) random.nextInt(256));
                } else if (type == DataType.FLOAT32) {
                    buffer.putFloat(2 * random.nextFloat() - 1);
                } else if (type == DataType.INT32) {
                    buffer.putInt(random.nextInt(2));
                } else if (type == DataType.INT64) {
                    buffer.putLong(random.nextInt(2));
                } else {
                    break; // zeros do
                }
            }
        }
    }

    @Override
    public long invoke() {
        for (Object input : inputs) {
            ((ByteBuffer) input).rewind();
        }
        for (Object output : outputs.values()) {
            ((ByteBuffer) output).rewind();
        }
        interpreter.resetVariableTensors(); // what an LSTM keeps would make every answer depend on those before it
        interpreter.runForMultipleInputsOutputs(inputs, outputs);
        return interpreter.getLastNativeInferenceDurationNanoseconds();
    }

    @Override
    public List<byte[]> outputs() {
        List<byte[]> all = new ArrayList<>();
        for (int index = 0; index < outputs.size(); index++) {
            ByteBuffer output = (ByteBuffer) outputs.get(index);
            byte[] bytes = new byte[output.capacity()];
            output.clear();
            output.get(bytes);
            all.add(bytes);
        }
        return all;
    }

    @Override
    public List<String> outputNames() {
        Map<Integer, String> signed = new HashMap<>();
        String[] signatures = interpreter.getSignatureKeys();
        for (String name : signatures.length == 0 ? new String[0] : interpreter.getSignatureOutputs(signatures[0])) {
            signed.put(interpreter.getOutputTensorFromSignature(name, signatures[0]).index(), name);
        }
        List<String> names = new ArrayList<>();
        for (int index = 0; index < outputs.size(); index++) {
            Tensor tensor = interpreter.getOutputTensor(index);
            names.add(signed.containsKey(tensor.index()) ? signed.get(tensor.index()) : tensor.name());
        }
        return names;
    }

    @Override
    public Delegation delegation() {
        if (delegation == null) { // read once and not in open(), whose time is measured
            delegation = Delegation.of(OwnLog.upToNow(), opening, arguments.delegate);
        }
        return delegation;
    }

    @Override
    public String runtime() {
        return "tflite/" + TensorFlowLite.runtimeVersion();
    }

    @Override
    public void close() {
        if (interpreter != null) {
            interpreter.close();
        }
        if (gpu != null) {
            gpu.close();
        }
    }

    private static ByteBuffer direct(Tensor tensor) {
        return ByteBuffer.allocateDirect(tensor.numBytes()).order(ByteOrder.nativeOrder());
    }
}
