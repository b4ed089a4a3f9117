package siemrelay;

import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.Proxy;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.opensearch.common.settings.Settings;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.ingest.common.IngestCommonPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/**
 * One OpenSearch node in this process, on 127.0.0.1, for tests.
 *
 * <p>It prints {@code ready URL} once it answers, and ends when its standard input does: the test
 * that holds the other end may be killed, and the node goes with it.
 */
public final class Server extends Node {

    private static final List<Class<? extends Plugin>> MODULES =
        List.of(Netty4Plugin.class, IngestCommonPlugin.class, PainlessPlugin.class);
    private static final long CLOSE_SECONDS_MAX = 10;

    private Server(Settings settings) {
        super(
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "node"),
            MODULES,
            true
        );
    }

    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length < 2) {
            System.err.println("usage: run PORT DIRECTORY [SETTING=VALUE ...]");
            System.exit(2);
        }
        // First of all, so that a node that is still starting ends as well.
        Thread watch = new Thread(Server::endWithInput, "input");
        watch.setDaemon(true);
        watch.start();
        try {
            Server server = new Server(settings(arguments));
            Runtime.getRuntime().addShutdownHook(new Thread(server::closeInTime, "close"));
            server.start();
            String url = server.url();
            awaitShards(url);
            System.out.println("ready " + url);
        } catch (Exception failure) {
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                System.err.println("no start: " + cause);
            }
            System.exit(1);
        }
        // The node's threads are daemons: this one keeps the process alive.
        new CountDownLatch(1).await();
    }

    private static void endWithInput() {
        try {
            while (System.in.read() >= 0) {
                // What is written there means nothing.
            }
        } catch (IOException gone) {
            System.err.println("standard input: " + gone);
        }
        System.exit(0);
    }

    private static Settings settings(String[] arguments) throws IOException {
        Path directory = Files.createDirectories(Path.of(arguments[1]).toAbsolutePath());
        Settings.Builder settings = Settings.builder()
            .put("cluster.name", "siem-relay-tests")
            .put("node.name", "node")
            .put("discovery.type", "single-node")
            .put("path.home", directory)
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[0])
            // There are no other nodes to talk to, so any port will do.
            .put("transport.port", "0")
            // Blocks are for the tests to set, not for a machine with a full disk.
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (String argument : Arrays.asList(arguments).subList(2, arguments.length)) {
            int equals = argument.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("not SETTING=VALUE: " + argument);
            }
            settings.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        return settings.build();
    }

    private String url() {
        HttpServerTransport transport = injector().getInstance(HttpServerTransport.class);
        return "http://127.0.0.1:" + transport.boundAddress().publishAddress().getPort();
    }

    /** Returns once the cluster state and the primary shards on disk are back. */
    private static void awaitShards(String url) throws IOException {
        URI health = URI.create(url + "/_cluster/health?wait_for_status=yellow&timeout=60s");
        HttpURLConnection connection =
            (HttpURLConnection) health.toURL().openConnection(Proxy.NO_PROXY);
        try {
            int status = connection.getResponseCode();
            if (status != HttpURLConnection.HTTP_OK) {
                throw new IOException(health + " answered " + status);
            }
        } finally {
            connection.disconnect();
        }
    }

    private void closeInTime() {
        try {
            close();
            if (!awaitClose(CLOSE_SECONDS_MAX, TimeUnit.SECONDS)) {
                System.err.println("not closed within " + CLOSE_SECONDS_MAX + " s");
            }
        } catch (IOException | InterruptedException failure) {
            System.err.println("not closed: " + failure);
        }
    }
}
