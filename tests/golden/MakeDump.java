/* tests/golden/MakeDump.java - makes an Apache Kafka broker write what tests/golden/dump/ holds: transactions that
 * commit, abort and stay open, their offsets and states, an index with many entries. Run by
 * tests/golden/make_dump. Argument: bootstrap server. */
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class MakeDump {
    static String server;

    static KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        var settings = new java.util.HashMap<String, Object>(more);
        settings.put("bootstrap.servers", server);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static ProducerRecord<byte[], byte[]> record(String topic, String key, String value) {
        return new ProducerRecord<>(topic, 0, key.getBytes(), value.getBytes());
    }

    static void index() throws Exception {
        try (var p = producer(Map.of("batch.size", 300))) {
            for (int i = 0; i < 60; i++)
                p.send(new ProducerRecord<>("dump-index", 0, 1700000000000L + i * 7, null, ("value " + i).getBytes()));
        }
    }

    static void transactions() throws Exception {
        try (var p = producer(Map.of("transactional.id", "dump", "compression.type", "lz4"))) {
            p.initTransactions();
            for (int n = 0; n < 3; n++) {
                p.beginTransaction();
                for (int i = 0; i < 2; i++) p.send(record("dump-txn", "k" + i, "v" + n));
                p.flush();
                if (n == 1) p.abortTransaction();
                else p.commitTransaction();
            }
            p.beginTransaction();
            p.sendOffsetsToTransaction(Map.of(new TopicPartition("dump-txn", 0), new OffsetAndMetadata(5)),
                new ConsumerGroupMetadata("dump-group"));
            p.commitTransaction();
        }
        var open = producer(Map.of("transactional.id", "dump-open"));
        open.initTransactions();
        open.beginTransaction();
        open.send(record("dump-txn", "o", "open")).get();
    }

    static void group() {
        var settings = Map.<String, Object>of("bootstrap.servers", server, "group.id", "dump-group",
            "auto.offset.reset", "earliest", "group.protocol", "classic");
        try (var c = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            c.subscribe(List.of("dump-index"));
            while (c.poll(java.time.Duration.ofMillis(500)).isEmpty()) {
            }
            c.commitSync();
        }
    }

    public static void main(String[] args) throws Exception {
        server = args[0];
        try (var admin = Admin.create(Map.of("bootstrap.servers", server))) {
            admin.createTopics(List.of(
                new NewTopic("dump-index", 1, (short) 1).configs(Map.of("index.interval.bytes", "256")),
                new NewTopic("dump-txn", 1, (short) 1))).all().get();
        }
        index();
        transactions();
        group();
        Runtime.getRuntime().halt(0); // the open transaction stays open
    }
}
