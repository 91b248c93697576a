package dev.kerasint8.contract

import org.junit.Assert.assertEquals
import org.junit.Test

/** From outputs to points in the photo, against the golden points of the host. */
class KeypointsTest {
    @Test
    fun thePointsAreTheHosts() {
        for (answer in Answers.all()) {
            val wanted = Resources.floats(answer.read("points"))
            val found = Contract.keypoints(answer.outputs(), answer.height, answer.width)
            assertEquals(wanted.size / 3, found.size)
            for ((index, one) in found.withIndex()) {
                assertEquals(index, one.index)
                assertEquals(wanted[3 * index], one.y, 1e-3f)
                assertEquals(wanted[3 * index + 1], one.x, 1e-3f)
                assertEquals(wanted[3 * index + 2], one.score, 0f)
            }
        }
    }
}
