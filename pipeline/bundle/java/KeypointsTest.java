package dev.kerasint8.contract;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

import java.util.List;

/** From outputs to points in the photo, against the golden points of the host. */
public final class KeypointsTest {
    @Test
    public void thePointsAreTheHosts() {
        for (Answers answer : Answers.all()) {
            float[] wanted = Resources.floats(answer.read("points"));
            List<Keypoint> found = Contract.keypoints(answer.outputs(), answer.height, answer.width);
            assertEquals(wanted.length / 3, found.size());
            for (int index = 0; index < found.size(); index++) {
                Keypoint one = found.get(index);
                assertEquals(index, one.index);
                assertEquals(wanted[3 * index], one.y, 1e-3f);
                assertEquals(wanted[3 * index + 1], one.x, 1e-3f);
                assertEquals(wanted[3 * index + 2], one.score, 0);
            }
        }
    }
}
