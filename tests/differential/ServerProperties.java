import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import kafka.server.KafkaConfig;

/**
 * What Apache Kafka says of configurations: for each row of server_properties.tsv the base and the row's settings are
 * given to KafkaConfig, and "OK" or its sentence is printed. Arguments: the base and the table.
 */
public class ServerProperties {
    static String verdict(Properties settings) {
        try {
            new KafkaConfig(settings, false);
            return "OK";
        } catch (Exception e) {
            return e.getMessage().replaceAll("\\s+", " ").trim();
        }
    }

    static void set(Properties settings, String line) {
        int equals = line.indexOf('=');
        if (line.startsWith("-")) {
            settings.remove(line.substring(1));
        } else {
            settings.put(line.substring(0, equals), line.substring(equals + 1));
        }
    }

    public static void main(String[] arguments) throws Exception {
        StringBuilder out = new StringBuilder();
        for (String row : Files.readAllLines(Path.of(arguments[1]))) {
            if (row.startsWith("#")) {
                continue;
            }
            Properties settings = new Properties();
            Files.readAllLines(Path.of(arguments[0])).forEach(line -> set(settings, line));
            String[] cells = row.split("\t", -1);
            for (int i = 2; i < cells.length; i++) {
                set(settings, cells[i]);
            }
            out.append(verdict(settings)).append('\n');
        }
        Files.writeString(Path.of(arguments[2]), out);
    }
}
