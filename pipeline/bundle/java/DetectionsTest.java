package dev.kerasint8.contract;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

import java.util.List;

/** From outputs to boxes in the photo, against the golden boxes of the host. */
public final class DetectionsTest {
    @Test
    public void theBoxesAreTheHosts() {
        for (Answers answer : Answers.all()) {
            float[] wanted = Resources.floats(answer.read("boxes"));
            List<Detection> found = Contract.detections(answer.outputs(), answer.height, answer.width);
            assertEquals(wanted.length / 6, found.size());
            for (int index = 0; index < found.size(); index++) {
                Detection one = found.get(index);
                assertEquals((int) wanted[6 * index], one.index);
                assertEquals(wanted[6 * index + 1], one.score, 1e-6f);
                float[] edges = {one.top, one.left, one.bottom, one.right};
                for (int side = 0; side < 4; side++) {
                    assertEquals(wanted[6 * index + 2 + side], edges[side], 1e-3f);
                }
            }
        }
    }

    @Test
    public void classesAreNamed() {
        for (Answers answer : Answers.all()) {
            for (Detection found : Contract.detections(answer.outputs(), answer.height, answer.width)) {
                boolean named = found.index >= 0 && found.index < Contract.CLASSES.size();
                String label = named ? Contract.CLASSES.get(found.index) : String.valueOf(found.index);
                assertEquals(label, found.label);
            }
        }
    }
}
