package dev.kerasint8.contract

import org.junit.Assert.assertEquals
import org.junit.Test

/** From outputs to boxes in the photo, against the golden boxes of the host. */
class DetectionsTest {
    @Test
    fun theBoxesAreTheHosts() {
        for (answer in Answers.all()) {
            val wanted = Resources.floats(answer.read("boxes"))
            val found = Contract.detections(answer.outputs(), answer.height, answer.width)
            assertEquals(wanted.size / 6, found.size)
            for ((index, one) in found.withIndex()) {
                assertEquals(wanted[6 * index].toInt(), one.index)
                assertEquals(wanted[6 * index + 1], one.score, 1e-6f)
                for ((side, edge) in listOf(one.top, one.left, one.bottom, one.right).withIndex()) {
                    assertEquals(wanted[6 * index + 2 + side], edge, 1e-3f)
                }
            }
        }
    }

    @Test
    fun classesAreNamed() {
        for (answer in Answers.all()) {
            for (found in Contract.detections(answer.outputs(), answer.height, answer.width)) {
                assertEquals(Contract.CLASSES.getOrNull(found.index) ?: found.index.toString(), found.label)
            }
        }
    }
}
