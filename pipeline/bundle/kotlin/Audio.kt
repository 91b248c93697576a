package dev.kerasint8.contract

import kotlin.math.PI
import kotlin.math.cos
import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.log10
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import kotlin.math.sin
import kotlin.math.sqrt

/**
 * From a waveform to log-mel energies or MFCCs, in double as the training computed them.
 *
 * A frame is multiplied by a periodic Hann window and filled up with zeros; the energies are the mel filters over the
 * power spectrum; their logarithm is the natural one; MFCCs are the first coefficients of its orthonormal DCT-II.
 *
 * @param coefficients how many MFCCs; 0 for log-mel energies. Frequencies are in Hz, all else in samples.
 */
internal class Audio(
    private val samples: Int,
    private val frame: Int,
    private val hop: Int,
    private val fft: Int,
    sampleRate: Int,
    mels: Int,
    private val coefficients: Int,
    scale: Mel,
    fmin: Double,
    fmax: Double,
    private val floor: Double,
) {
    /** The two usual mel scales: HTK's with peaks of 1, Slaney's with bands of equal area. */
    enum class Mel { HTK, SLANEY }

    private val filters: Array<DoubleArray> = filters(fft, sampleRate, mels, scale, fmin, fmax)

    /** The waveform itself, cut or filled up with zeros. */
    constructor(samples: Int) : this(samples, 0, 1, 0, 1, 0, 0, Mel.HTK, 0.0, 0.0, 0.0)

    /** One row of features a frame, one after the other. */
    fun features(sound: FloatArray): FloatArray {
        val waveform = sound.copyOf(samples)
        if (frame == 0) return waveform
        val frames = 1 + (samples - frame) / hop
        val width = if (coefficients > 0) coefficients else filters.size
        val features = FloatArray(frames * width)
        for (index in 0 until frames) {
            val energies = energies(waveform, index * hop)
            for (column in 0 until width) {
                features[index * width + column] =
                    (if (coefficients > 0) dct(energies, column) else energies[column]).toFloat()
            }
        }
        return features
    }

    /** The logarithms of the bands' energies of one frame. */
    private fun energies(waveform: FloatArray, start: Int): DoubleArray {
        val real = DoubleArray(fft)
        val imaginary = DoubleArray(fft)
        for (index in 0 until frame) {
            real[index] = waveform[start + index] * (0.5 - 0.5 * cos(2 * PI * index / frame))
        }
        transform(real, imaginary)
        return DoubleArray(filters.size) { band ->
            var energy = 0.0
            for (bin in 0..fft / 2) {
                energy += filters[band][bin] * (real[bin] * real[bin] + imaginary[bin] * imaginary[bin])
            }
            ln(energy + floor)
        }
    }

    /** The Fourier transform in place: halved as long as the length is even. */
    private fun transform(real: DoubleArray, imaginary: DoubleArray) {
        val length = real.size
        if (length % 2 != 0) {
            directly(real, imaginary)
            return
        }
        val half = length / 2
        val evenReal = DoubleArray(half) { real[2 * it] }
        val evenImaginary = DoubleArray(half) { imaginary[2 * it] }
        val oddReal = DoubleArray(half) { real[2 * it + 1] }
        val oddImaginary = DoubleArray(half) { imaginary[2 * it + 1] }
        transform(evenReal, evenImaginary)
        transform(oddReal, oddImaginary)
        for (index in 0 until half) {
            val angle = -2 * PI * index / length
            val turnedReal = cos(angle) * oddReal[index] - sin(angle) * oddImaginary[index]
            val turnedImaginary = cos(angle) * oddImaginary[index] + sin(angle) * oddReal[index]
            real[index] = evenReal[index] + turnedReal
            imaginary[index] = evenImaginary[index] + turnedImaginary
            real[index + half] = evenReal[index] - turnedReal
            imaginary[index + half] = evenImaginary[index] - turnedImaginary
        }
    }

    private fun directly(real: DoubleArray, imaginary: DoubleArray) {
        val length = real.size
        val givenReal = real.copyOf()
        val givenImaginary = imaginary.copyOf()
        for (bin in 0 until length) {
            real[bin] = 0.0
            imaginary[bin] = 0.0
            for (index in 0 until length) {
                val angle = -2 * PI * (bin.toLong() * index % length) / length
                real[bin] += givenReal[index] * cos(angle) - givenImaginary[index] * sin(angle)
                imaginary[bin] += givenImaginary[index] * cos(angle) + givenReal[index] * sin(angle)
            }
        }
    }

    private fun dct(values: DoubleArray, order: Int): Double {
        var sum = 0.0
        for (index in values.indices) sum += values[index] * cos(PI / values.size * (index + 0.5) * order)
        return sum * sqrt((if (order == 0) 1.0 else 2.0) / values.size)
    }

    private companion object {
        /** Triangles between points that are evenly spaced on the mel scale: a row a band, a column a bin. */
        fun filters(fft: Int, sampleRate: Int, mels: Int, scale: Mel, fmin: Double, fmax: Double): Array<DoubleArray> {
            val low = mel(fmin, scale)
            val step = (mel(fmax, scale) - low) / (mels + 1)
            return Array(mels) { band ->
                val left = hertz(low + step * band, scale)
                val centre = hertz(low + step * (band + 1), scale)
                val right = hertz(low + step * (band + 2), scale)
                DoubleArray(fft / 2 + 1) { bin ->
                    val frequency = bin.toDouble() * sampleRate / fft
                    val height = min((frequency - left) / (centre - left), (right - frequency) / (right - centre))
                    max(0.0, height) * (if (scale == Mel.SLANEY) 2 / (right - left) else 1.0)
                }
            }
        }

        fun mel(hertz: Double, scale: Mel): Double =
            when {
                scale == Mel.HTK -> 2595 * log10(1 + hertz / 700)
                hertz < 1000 -> 3 * hertz / 200
                else -> 15 + 27 * ln(hertz / 1000) / ln(6.4)
            }

        fun hertz(mel: Double, scale: Mel): Double =
            when {
                scale == Mel.HTK -> 700 * (10.0.pow(mel / 2595) - 1)
                mel < 15 -> 200 * mel / 3
                else -> 1000 * exp((mel - 15) * ln(6.4) / 27)
            }
    }
}
