// tests/compat/OldMember.java - Apache Kafka's client of any version from 2.2 on: writes and reads in a group.
//
//     OldMember BOOTSTRAP TOPIC GROUP COUNT
//
// Writes COUNT numbers, acknowledged by all, then reads them as a member of the group, commits, leaves; a second
// member goes on from there: it finds what was written in between, and nothing else. Prints "read N then M".
import java.time.Duration;
import java.util.Collections;
import java.util.Properties;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

public class OldMember {
    static Properties properties(String bootstrap, String kind, String... more) {
        Properties p = new Properties();
        String how = kind.equals("Serializer") ? "serializer" : "deserializer";
        p.put("bootstrap.servers", bootstrap);
        p.put("key." + how, "org.apache.kafka.common.serialization.String" + kind);
        p.put("value." + how, "org.apache.kafka.common.serialization.String" + kind);
        for (int i = 0; i < more.length; i += 2) p.put(more[i], more[i + 1]);
        return p;
    }

    static void write(String bootstrap, String topic, int from, int to) throws Exception {
        Properties p = properties(bootstrap, "Serializer", "acks", "all", "enable.idempotence", "true");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
            for (int i = from; i < to; i++) producer.send(new ProducerRecord<>(topic, "k" + i, "" + i));
            producer.flush();
        }
    }

    /** The numbers that a new member reads until it has `wanted` of them; the last poll finds no more. */
    static TreeSet<Integer> read(String bootstrap, String topic, String group, int wanted) {
        TreeSet<Integer> found = new TreeSet<>();
        Properties p = properties(bootstrap, "Deserializer", "group.id", group, "auto.offset.reset", "earliest",
            "enable.auto.commit", "false", "session.timeout.ms", "6000", "heartbeat.interval.ms", "500");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p)) {
            consumer.subscribe(Collections.singletonList(topic));
            long until = System.currentTimeMillis() + 50000; // of a busy machine
            for (boolean more = true; more && System.currentTimeMillis() < until;) {
                more = found.size() < wanted;
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(300))) {
                    if (!found.add(Integer.parseInt(r.value()))) throw new IllegalStateException("twice: " + r);
                }
                consumer.commitSync();
            }
        }
        return found;
    }

    public static void main(String[] a) throws Exception {
        int count = Integer.parseInt(a[3]);
        write(a[0], a[1], 0, count);
        int first = read(a[0], a[1], a[2], count).size();
        write(a[0], a[1], count, 2 * count);
        TreeSet<Integer> second = read(a[0], a[1], a[2], count);
        System.out.println("read " + first + " then " + second.size() + " from " + second.first());
    }
}
