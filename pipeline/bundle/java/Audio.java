package dev.kerasint8.contract;

/**
 * From a waveform to log-mel energies or MFCCs, in double as the training computed them.
 *
 * <p>A frame is multiplied by a periodic Hann window and filled up with zeros; the energies are the mel filters over the
 * power spectrum; their logarithm is the natural one; MFCCs are the first coefficients of its orthonormal DCT-II.
 */
final class Audio {
    /** The two usual mel scales: HTK's with peaks of 1, Slaney's with bands of equal area. */
    enum Mel { HTK, SLANEY }

    private final int samples;
    private final int frame;
    private final int hop;
    private final int fft;
    private final int coefficients;
    private final double floor;
    private final double[][] filters;

    /** The waveform itself, cut or filled up with zeros. */
    Audio(int samples) {
        this(samples, 0, 1, 0, 1, 0, 0, Mel.HTK, 0, 0, 0);
    }

    /** @param coefficients how many MFCCs; 0 for log-mel energies. Frequencies are in Hz, all else in samples. */
    Audio(
            int samples, int frame, int hop, int fft, int sampleRate, int mels, int coefficients, Mel scale,
            double fmin, double fmax, double floor) {
        this.samples = samples;
        this.frame = frame;
        this.hop = hop;
        this.fft = fft;
        this.coefficients = coefficients;
        this.floor = floor;
        this.filters = filters(fft, sampleRate, mels, scale, fmin, fmax);
    }

    /** One row of features a frame, one after the other. */
    float[] features(float[] sound) {
        float[] waveform = new float[samples];
        System.arraycopy(sound, 0, waveform, 0, Math.min(samples, sound.length));
        if (frame == 0) {
            return waveform;
        }
        int frames = 1 + (samples - frame) / hop;
        int width = coefficients > 0 ? coefficients : filters.length;
        float[] features = new float[frames * width];
        for (int index = 0; index < frames; index++) {
            double[] energies = energies(waveform, index * hop);
            for (int column = 0; column < width; column++) {
                features[index * width + column] = (float) (coefficients > 0 ? dct(energies, column) : energies[column]);
            }
        }
        return features;
    }

    /** The logarithms of the bands' energies of one frame. */
    private double[] energies(float[] waveform, int start) {
        double[] real = new double[fft];
        double[] imaginary = new double[fft];
        for (int index = 0; index < frame; index++) {
            real[index] = waveform[start + index] * (0.5 - 0.5 * Math.cos(2 * Math.PI * index / frame));
        }
        transform(real, imaginary);
        double[] energies = new double[filters.length];
        for (int band = 0; band < filters.length; band++) {
            double energy = 0;
            for (int bin = 0; bin <= fft / 2; bin++) {
                energy += filters[band][bin] * (real[bin] * real[bin] + imaginary[bin] * imaginary[bin]);
            }
            energies[band] = Math.log(energy + floor);
        }
        return energies;
    }

    /** The Fourier transform in place: halved as long as the length is even. */
    private static void transform(double[] real, double[] imaginary) {
        int length = real.length;
        if (length % 2 != 0) {
            directly(real, imaginary);
            return;
        }
        int half = length / 2;
        double[][] part = new double[4][half];
        for (int index = 0; index < half; index++) {
            part[0][index] = real[2 * index];
            part[1][index] = imaginary[2 * index];
            part[2][index] = real[2 * index + 1];
            part[3][index] = imaginary[2 * index + 1];
        }
        transform(part[0], part[1]);
        transform(part[2], part[3]);
        for (int index = 0; index < half; index++) {
            double angle = -2 * Math.PI * index / length;
            double cos = Math.cos(angle);
            double sin = Math.sin(angle);
            double turnedReal = cos * part[2][index] - sin * part[3][index];
            double turnedImaginary = cos * part[3][index] + sin * part[2][index];
            real[index] = part[0][index] + turnedReal;
            imaginary[index] = part[1][index] + turnedImaginary;
            real[index + half] = part[0][index] - turnedReal;
            imaginary[index + half] = part[1][index] - turnedImaginary;
        }
    }

    private static void directly(double[] real, double[] imaginary) {
        int length = real.length;
        double[] givenReal = real.clone();
        double[] givenImaginary = imaginary.clone();
        for (int bin = 0; bin < length; bin++) {
            real[bin] = 0;
            imaginary[bin] = 0;
            for (int index = 0; index < length; index++) {
                double angle = -2 * Math.PI * ((long) bin * index % length) / length;
                real[bin] += givenReal[index] * Math.cos(angle) - givenImaginary[index] * Math.sin(angle);
                imaginary[bin] += givenImaginary[index] * Math.cos(angle) + givenReal[index] * Math.sin(angle);
            }
        }
    }

    private static double dct(double[] values, int order) {
        double sum = 0;
        for (int index = 0; index < values.length; index++) {
            sum += values[index] * Math.cos(Math.PI / values.length * (index + 0.5) * order);
        }
        return sum * Math.sqrt((order == 0 ? 1.0 : 2.0) / values.length);
    }

    /** Triangles between points that are evenly spaced on the mel scale: a row a band, a column a bin. */
    private static double[][] filters(int fft, int sampleRate, int mels, Mel scale, double fmin, double fmax) {
        double low = mel(fmin, scale);
        double step = (mel(fmax, scale) - low) / (mels + 1);
        double[][] filters = new double[mels][fft / 2 + 1];
        for (int band = 0; band < mels; band++) {
            double left = hertz(low + step * band, scale);
            double centre = hertz(low + step * (band + 1), scale);
            double right = hertz(low + step * (band + 2), scale);
            for (int bin = 0; bin <= fft / 2; bin++) {
                double frequency = (double) bin * sampleRate / fft;
                double height = Math.min((frequency - left) / (centre - left), (right - frequency) / (right - centre));
                filters[band][bin] = Math.max(0, height) * (scale == Mel.SLANEY ? 2 / (right - left) : 1);
            }
        }
        return filters;
    }

    private static double mel(double hertz, Mel scale) {
        if (scale == Mel.HTK) {
            return 2595 * Math.log10(1 + hertz / 700);
        }
        return hertz < 1000 ? 3 * hertz / 200 : 15 + 27 * Math.log(hertz / 1000) / Math.log(6.4);
    }

    private static double hertz(double mel, Mel scale) {
        if (scale == Mel.HTK) {
            return 700 * (Math.pow(10, mel / 2595) - 1);
        }
        return mel < 15 ? 200 * mel / 3 : 1000 * Math.exp((mel - 15) * Math.log(6.4) / 27);
    }
}
