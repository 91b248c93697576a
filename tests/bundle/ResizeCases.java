package dev.kerasint8.contract;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;

/** Resizes the cases that test_generated_java.py made with Pillow, and counts those that differ. */
final class ResizeCases {
    private ResizeCases() {}

    public static void main(String[] arguments) throws IOException {
        Path folder = Paths.get(arguments[0]);
        List<String> lines = Files.readAllLines(folder.resolve("cases"));
        int differ = 0;
        for (String line : lines) {
            String[] word = line.split(" ");
            byte[] stored = Files.readAllBytes(folder.resolve(word[0] + ".stored"));
            Image image = new Image(stored, Integer.parseInt(word[3]), Integer.parseInt(word[4]), Integer.parseInt(word[5]));
            int channels = Integer.parseInt(word[8]);
            Image made = Resize.resize(channels == 1 ? image.grey() : image, Integer.parseInt(word[6]),
                    Integer.parseInt(word[7]), Resize.Method.valueOf(word[1]), Resize.Fit.valueOf(word[2]),
                    Integer.parseInt(word[9]));
            made = channels == 3 ? made.rgb() : made;
            if (!Arrays.equals(made.pixels, Files.readAllBytes(folder.resolve(word[0] + ".wanted")))) {
                differ++;
                System.err.println("differs: " + line);
            }
        }
        System.out.println(lines.size() + " cases, " + differ + " differ");
    }
}
