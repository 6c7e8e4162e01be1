// tests/compat/Exchange.java - the Java client in the exchange of records that exchange.test runs; what the
// commands do and how records are written down is in README.md beside this file.
//
//     Exchange write BOOTSTRAP SENT DIR CODEC:TOPIC...
//     Exchange read BOOTSTRAP DIR TOPIC...
//     Exchange seek BOOTSTRAP TOPIC PARTITION OFFSET TIMESTAMP
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Exchange {
    static final int PARTITIONS = 2;
    static final Duration WAIT = Duration.ofSeconds(20);

    static byte[] octets(String text) {
        return text.equals("~") ? null : HexFormat.of().parseHex(text);
    }

    static String text(byte[] octets) {
        return octets == null ? "~" : HexFormat.of().formatHex(octets);
    }

    static String tags(Iterable<Header> headers) {
        List<String> all = new ArrayList<>();
        for (Header h : headers)
            all.add(text(h.key().getBytes(StandardCharsets.UTF_8)) + "=" + text(h.value()));
        return String.join(",", all);
    }

    static List<Header> headers(String tags) {
        List<Header> all = new ArrayList<>();
        for (String tag : tags.isEmpty() ? new String[0] : tags.split(",")) {
            String[] pair = tag.split("=", 2);
            all.add(new RecordHeader(new String(octets(pair[0]), StandardCharsets.UTF_8), octets(pair[1])));
        }
        return all;
    }

    static void write(String bootstrap, Path sent, Path dir, String codec, String topic) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        if (!codec.equals("none"))
            config.putAll(Map.of("compression.type", codec, "enable.idempotence", true, "batch.size", 4096));
        record Stored(RecordMetadata place, String rest) { }
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        List<String> rests = new ArrayList<>();
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (String line : Files.readAllLines(sent)) {
                String[] f = line.split("\t", -1);
                answers.add(producer.send(new ProducerRecord<>(topic, Integer.valueOf(f[0]), Long.valueOf(f[2]),
                        octets(f[3]), octets(f[4]), headers(f[5]))));
                rests.add(f[3] + "\t" + f[4] + "\t" + f[5]);
            }
        }
        List<Stored> stored = new ArrayList<>();
        for (int i = 0; i < rests.size(); i++)
            stored.add(new Stored(answers.get(i).get(), rests.get(i)));
        stored.sort(Comparator.comparingInt((Stored s) -> s.place.partition()).thenComparing(s -> s.place.offset()));
        try (PrintStream out = new PrintStream(dir.resolve(topic).toFile())) {
            for (Stored s : stored)
                out.print(s.place.partition() + "\t" + s.place.offset() + "\t" + s.place.timestamp() + "\t"
                        + s.rest + "\n");
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer(String bootstrap) {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap, "fetch.max.wait.ms", 20), new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
    }

    static void take(KafkaConsumer<byte[], byte[]> consumer, TopicPartition place, long offset, long end,
            PrintStream out) {
        consumer.assign(List.of(place));
        consumer.seek(place, offset);
        while (offset < end) {
            var records = consumer.poll(WAIT).records(place);
            if (records.isEmpty())
                throw new IllegalStateException(place + ": nothing came in time");
            for (ConsumerRecord<byte[], byte[]> r : records) {
                if (r.offset() >= end)
                    break;
                out.print(r.partition() + "\t" + r.offset() + "\t" + r.timestamp() + "\t" + text(r.key()) + "\t"
                        + text(r.value()) + "\t" + tags(r.headers()) + "\n");
                offset = r.offset() + 1;
            }
        }
    }

    static void read(String bootstrap, Path dir, List<String> topics) throws Exception {
        try (var consumer = consumer(bootstrap)) {
            for (String topic : topics) {
                try (PrintStream out = new PrintStream(dir.resolve(topic).toFile())) {
                    for (int p = 0; p < PARTITIONS; p++) {
                        TopicPartition place = new TopicPartition(topic, p);
                        long begin = consumer.beginningOffsets(List.of(place)).get(place);
                        take(consumer, place, begin, consumer.endOffsets(List.of(place)).get(place), out);
                    }
                }
            }
        }
    }

    static void seek(String bootstrap, TopicPartition place, long offset, long timestamp) {
        try (var consumer = consumer(bootstrap)) {
            System.out.print("begin " + consumer.beginningOffsets(List.of(place)).get(place)
                    + " end " + consumer.endOffsets(List.of(place)).get(place)
                    + " time " + consumer.offsetsForTimes(Map.of(place, timestamp)).get(place).offset() + "\n");
            take(consumer, place, offset, offset + 1, System.out);
            take(consumer, place, offset - 7, offset - 6, System.out);
        }
    }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "write" -> {
                for (int i = 4; i < args.length; i++) {
                    String[] pair = args[i].split(":");
                    write(args[1], Path.of(args[2]), Path.of(args[3]), pair[0], pair[1]);
                }
            }
            case "read" -> read(args[1], Path.of(args[2]), List.of(args).subList(3, args.length));
            default -> seek(args[1], new TopicPartition(args[2], Integer.parseInt(args[3])),
                    Long.parseLong(args[4]), Long.parseLong(args[5]));
        }
    }
}
