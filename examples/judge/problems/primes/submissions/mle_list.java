// expect: MLE
// The Java machine itself finds that its heap is full.
import java.util.ArrayList;
import java.util.List;

public class Main {
    public static void main(String[] arguments) {
        List<long[]> memory = new ArrayList<>();
        for (;;) memory.add(new long[1 << 17]);
    }
}
