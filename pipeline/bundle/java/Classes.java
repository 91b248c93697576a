package dev.kerasint8.contract;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/** From a classifier's scores to answers. */
public final class Classes {
    /** A class and how probable it is. */
    public static final class Answer {
        public final int index;
        public final String label;
        public final float probability;

        Answer(int index, String label, float probability) {
            this.index = index;
            this.label = label;
            this.probability = probability;
        }

        @Override
        public String toString() {
            return label + " " + probability;
        }
    }

    private Classes() {}

    /**
     * Probabilities of all classes.
     *
     * @param scores the model's outputs, dequantized; one alone is the score of class 1 of two.
     * @param activated whether the model has applied its softmax or sigmoid itself. Applying it twice is a common mistake.
     */
    static float[] probabilities(float[] scores, boolean activated) {
        if (scores.length == 1) {
            float one = activated ? scores[0] : (float) (1 / (1 + Math.exp(-(double) scores[0])));
            return new float[] {1 - one, one};
        }
        if (activated) {
            return scores;
        }
        double largest = scores[0];
        for (float score : scores) {
            largest = Math.max(largest, score);
        }
        double[] powers = new double[scores.length];
        double total = 0;
        for (int index = 0; index < scores.length; index++) {
            powers[index] = Math.exp(scores[index] - largest);
            total += powers[index];
        }
        float[] probabilities = new float[scores.length];
        for (int index = 0; index < scores.length; index++) {
            probabilities[index] = (float) (powers[index] / total);
        }
        return probabilities;
    }

    /**
     * A probability for each label by itself: several may hold at once.
     *
     * @param scores the model's outputs, dequantized.
     * @param activated whether the model has applied its sigmoid itself.
     */
    static float[] each(float[] scores, boolean activated) {
        float[] probabilities = scores.clone();
        for (int index = 0; !activated && index < scores.length; index++) {
            probabilities[index] = (float) (1 / (1 + Math.exp(-(double) scores[index])));
        }
        return probabilities;
    }

    /** The most probable classes first, at most `count`; of equal ones the lower index first. */
    static List<Answer> top(float[] probabilities, List<String> labels, int count) {
        List<Answer> answers = new ArrayList<>();
        for (int index = 0; index < probabilities.length; index++) {
            String label = index < labels.size() ? labels.get(index) : String.valueOf(index);
            answers.add(new Answer(index, label, probabilities[index]));
        }
        Collections.sort(answers, new Comparator<Answer>() { // stable
            @Override
            public int compare(Answer one, Answer other) {
                return Float.compare(other.probability, one.probability);
            }
        });
        return answers.subList(0, Math.min(count, answers.size()));
    }
}
