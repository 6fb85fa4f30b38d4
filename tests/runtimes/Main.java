import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.lang.management.ManagementFactory;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Main {
    static long threads() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<Long>> parts = new ArrayList<>();
        for (long i = 0; i < 100; i++) {
            final long number = i;
            parts.add(pool.submit(() -> { Thread.sleep(1); return number; }));
        }
        long sum = 0;
        for (Future<Long> part : parts) sum += part.get();
        pool.shutdown();
        return sum + IntStream.range(0, 1000).parallel().sum();
    }

    static String process() throws Exception {
        Process child = new ProcessBuilder("/bin/sh", "-c", "cat; exit 3").start();
        try (OutputStream to = child.getOutputStream()) { to.write("through cat".getBytes()); }
        String said = new String(child.getInputStream().readAllBytes());
        return said + " " + child.waitFor();
    }

    static String selector() throws Exception {
        Selector selector = Selector.open();
        ServerSocketChannel server = ServerSocketChannel.open().bind(new InetSocketAddress("localhost", 0));
        server.configureBlocking(false);
        server.register(selector, SelectionKey.OP_ACCEPT);
        SocketAddress address = server.getLocalAddress();
        CompletableFuture<String> heard = CompletableFuture.supplyAsync(() -> {
            try (SocketChannel client = SocketChannel.open(address)) {
                client.write(ByteBuffer.wrap("ping".getBytes()));
                return new String(client.socket().getInputStream().readAllBytes());
            } catch (IOException error) { throw new UncheckedIOException(error); }
        });
        for (boolean open = true; open;) {
            selector.select(60000);
            for (SelectionKey key : selector.selectedKeys()) {
                if (key.isAcceptable()) {
                    SocketChannel client = server.accept();
                    client.configureBlocking(false);
                    client.register(selector, SelectionKey.OP_READ);
                } else {
                    SocketChannel client = (SocketChannel) key.channel();
                    ByteBuffer buffer = ByteBuffer.allocate(4);
                    client.read(buffer);
                    client.write(buffer.flip());
                    client.close();
                    open = false;
                }
            }
            selector.selectedKeys().clear();
        }
        return heard.get(60, TimeUnit.SECONDS);
    }

    static String web() throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("localhost", 0), 0);
        server.createContext("/", exchange -> {
            byte[] asked = exchange.getRequestBody().readAllBytes();
            exchange.sendResponseHeaders(200, asked.length);
            exchange.getResponseBody().write(asked);
            exchange.close();
        });
        server.start();
        URI uri = URI.create("http://localhost:" + server.getAddress().getPort() + "/");
        HttpRequest request = HttpRequest.newBuilder(uri)
            .POST(HttpRequest.BodyPublishers.ofString("echoed")).build();
        String heard = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
        server.stop(0);
        return heard;
    }

    static String files() throws Exception {
        Path directory = Files.createTempDirectory("files");
        try (WatchService watch = FileSystems.getDefault().newWatchService();
             FileChannel file = FileChannel.open(directory.resolve("before"), StandardOpenOption.CREATE_NEW,
                 StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            directory.register(watch, StandardWatchEventKinds.ENTRY_CREATE);
            MappedByteBuffer mapped = file.map(FileChannel.MapMode.READ_WRITE, 0, 4096);
            mapped.put(0, (byte) 42);
            mapped.force();
            file.lock().release();
            Files.copy(directory.resolve("before"), directory.resolve("file"));
            WatchKey key = watch.poll(60, TimeUnit.SECONDS);
            return Files.size(directory.resolve("file")) + " " + key.pollEvents().get(0).context();
        }
    }

    // Far more than the heap holds.
    static String garbage() {
        Map<Integer, byte[]> kept = new HashMap<>();
        for (int i = 0; i < 3000; i++) kept.put(i % 200, new byte[100_000]);
        System.gc();
        boolean collected = ManagementFactory.getGarbageCollectorMXBeans().stream()
            .mapToLong(collector -> collector.getCollectionCount()).sum() > 1;
        return kept.size() + " " + collected;
    }

    public static void main(String[] arguments) throws Exception {
        System.out.println(threads() + ", " + process() + ", " + selector() + ", " + web() + ", " + files());
        String collectors = ManagementFactory.getGarbageCollectorMXBeans().get(0).getName().split(" ")[0];
        String interfaces = NetworkInterface.networkInterfaces()
            .map(NetworkInterface::getName).collect(Collectors.joining());
        System.out.println(collectors + ", " + garbage() + ", " + interfaces);
    }
}
