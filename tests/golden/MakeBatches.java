/* tests/golden/MakeBatches.java - writes the topics whose segments tests/golden/batches/ holds, by
 * Apache Kafka's own producer to an Apache Kafka broker. Run by tests/golden/make_batches.py.
 * Argument: bootstrap server. */
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.StringSerializer;

public class MakeBatches {
    static String server;
    static final long TIME = 1700000000000L;
    static final Random random = new Random(7);

    static String text(int len) {
        StringBuilder s = new StringBuilder();
        while (s.length() < len)
            s.append("kafka record batch ")
                .append(random.nextInt(len < 1000 ? 100000 : 10))
                .append(' ');
        return s.substring(0, len);
    }

    static KafkaProducer<String, String> producer(String codec, Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", server);
        config.put("key.serializer", StringSerializer.class);
        config.put("value.serializer", StringSerializer.class);
        config.put("compression.type", codec);
        config.put("linger.ms", 10000); /* flush() makes the batches */
        config.put("batch.size", 500000);
        config.put("max.request.size", 5000000);
        config.putAll(more);
        return new KafkaProducer<>(config);
    }

    static int sent = 0;

    static void send(
        KafkaProducer<String, String> p, String topic, String key, String value, int headers) {
        RecordHeaders hs = new RecordHeaders();
        for (int h = 0; h < headers; h++) {
            hs.add(new RecordHeader("header-" + h, h % 3 == 2 ? null : text(h * 3).getBytes()));
        }
        long time = TIME + sent * 37L % 1009 - (sent % 11 == 0 ? 5000 : 0);
        sent++;
        p.send(new ProducerRecord<>(topic, 0, time, key, value, hs));
    }

    /* Batches of several sizes with null, empty and short keys and values, and headers. */
    static void mixed(KafkaProducer<String, String> p, String topic, int rounds) {
        int[] counts = {1, 2, 3, 7, 1, 20};
        for (int round = 0; round < rounds; round++) {
            for (int i = 0; i < counts[round % counts.length]; i++) {
                String key = i % 3 == 0 ? null : i % 3 == 1 ? "key-" + i : "";
                String value = i % 7 == 5 ? null : i % 7 == 6 ? "" : text(10 + i * 3);
                send(p, topic, key, value, (round + i) % 4 == 3 ? i % 5 : 0);
            }
            p.flush();
        }
    }

    public static void main(String[] args) throws Exception {
        server = args[0];
        String[] topics = {"none", "gzip", "snappy", "lz4", "zstd", "level", "append-time",
            "transaction", "compacted"};
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", server))) {
            List<NewTopic> made = new ArrayList<>();
            for (String t : topics) {
                Map<String, String> config = new HashMap<>();
                config.put("max.message.bytes", "5000000");
                if (t.equals("append-time"))
                    config.put("message.timestamp.type", "LogAppendTime");
                if (t.equals("compacted")) {
                    config.putAll(Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio",
                        "0.0", "segment.ms", "1000", "delete.retention.ms", "86400000"));
                }
                made.add(new NewTopic("golden-" + t, 1, (short) 1).configs(config));
            }
            admin.createTopics(made).all().get();
        }
        for (String codec : new String[] {"none", "gzip", "snappy", "lz4", "zstd"}) {
            try (var p = producer(codec, Map.of("enable.idempotence", false))) {
                mixed(p, "golden-" + codec, 24);
            }
            try (var p = producer(codec, Map.of("enable.idempotence", true))) {
                mixed(p, "golden-" + codec, 12);
                if (codec.equals("none"))
                    continue;
                for (int i = 0; i < 3; i++)
                    send(p, "golden-" + codec, "big", text(40000), 1); /* crosses windows */
                p.flush();
                for (int i = 0; i < 5; i++) send(p, "golden-" + codec, "odd", text(16383 + i), 0);
                p.flush();
                for (int i = 0; i < 100; i++) send(p, "golden-" + codec, "k", "v", 0);
                p.flush();
            }
            try (var p = producer(codec, Map.of())) {
                mixed(p, "golden-append-time", 6);
            }
        }
        String[][] levels = {{"gzip", "1"}, {"gzip", "9"}, {"lz4", "1"}, {"lz4", "17"},
            {"zstd", "-131072"}, {"zstd", "1"}, {"zstd", "19"}, {"zstd", "22"}};
        for (String[] level : levels) {
            try (var p = producer(level[0],
                     Map.of("compression." + level[0] + ".level", Integer.valueOf(level[1])))) {
                mixed(p, "golden-level", 4);
            }
        }
        try (var p = producer("none", Map.of("transactional.id", "golden"))) {
            p.initTransactions();
            for (int i = 0; i < 12; i++) {
                p.beginTransaction();
                mixed(p, "golden-transaction", 1 + i % 3);
                if (i % 3 == 1)
                    p.abortTransaction();
                else
                    p.commitTransaction();
            }
        }
        try (var p = producer("zstd", Map.of("transactional.id", "golden-zstd"))) {
            p.initTransactions();
            p.beginTransaction();
            mixed(p, "golden-transaction", 6);
            p.commitTransaction();
        }
        for (String codec : new String[] {"none", "lz4"}) {
            try (var p = producer(codec, Map.of("transactional.id", "golden-compact-" + codec))) {
                p.initTransactions();
                for (int round = 0; round < 8; round++) {
                    p.beginTransaction();
                    for (int i = 0; i < 10; i++) {
                        send(p, "golden-compacted", codec + (i * round) % 13,
                            i % 6 == 5 ? null : text(20), i % 2);
                    }
                    p.flush();
                    p.commitTransaction();
                    Thread.sleep(300);
                }
            }
        }
        Thread.sleep(1500); /* the segment grows old */
        try (var p = producer("none", Map.of())) {
            send(p, "golden-compacted", "last", "record", 0);
            p.flush();
        }
    }
}
