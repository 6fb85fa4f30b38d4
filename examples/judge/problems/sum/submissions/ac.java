// expect: AC
import java.util.Scanner;

public class Main {
    static class Sum {
        long a, b;

        long value() {
            return a + b;
        }
    }

    public static void main(String[] arguments) {
        Scanner scanner = new Scanner(System.in);
        Sum sum = new Sum();
        sum.a = scanner.nextLong();
        sum.b = scanner.nextLong();
        System.out.println(sum.value());
    }
}
