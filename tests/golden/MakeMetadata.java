/* tests/golden/MakeMetadata.java - what was done to the broker whose metadata log is in
 * tests/golden/metadata. Argument: bootstrap server. tests/golden/README.md says what else was done. */
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.ConfigResource.Type;
import org.apache.kafka.common.serialization.StringSerializer;

public class MakeMetadata {
    static AlterConfigOp set(String key, String value) {
        return new AlterConfigOp(new ConfigEntry(key, value), OpType.SET);
    }

    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            NewTopic alpha = new NewTopic("alpha", 3, (short) 1).configs(
                Map.of("retention.ms", "1000", "min.insync.replicas", "1", "cleanup.policy", "compact"));
            NewTopic gamma = new NewTopic("gamma", Map.of(0, List.of(1), 1, List.of(1)));
            admin.createTopics(List.of(alpha, new NewTopic("beta", 1, (short) 1), gamma)).all().get();
            admin.deleteTopics(List.of("beta")).all().get();
            admin.createTopics(List.of(new NewTopic("beta", 2, (short) 1))).all().get();
            admin.deleteTopics(List.of("alpha")).all().get();
            NewTopic delta = new NewTopic("delta.x", 1, (short) 1).configs(Map.of("retention.ms", "5"));
            admin.createTopics(List.of(delta)).all().get();
            ConfigResource topic = new ConfigResource(Type.TOPIC, "gamma");
            admin.incrementalAlterConfigs(Map.of(
                topic, List.of(set("segment.bytes", "10000000"), set("retention.ms", "7")),
                new ConfigResource(Type.BROKER, ""), List.of(set("log.cleaner.threads", "2")),
                new ConfigResource(Type.BROKER, "1"), List.of(set("log.cleaner.threads", "1")))).all().get();
            AlterConfigOp unset = new AlterConfigOp(new ConfigEntry("retention.ms", ""), OpType.DELETE);
            admin.incrementalAlterConfigs(Map.of(topic, List.of(unset))).all().get();
            admin.createPartitions(Map.of("beta", NewPartitions.increaseTo(4))).all().get();
            ConfigResource beta = new ConfigResource(Type.TOPIC, "beta");
            admin.incrementalAlterConfigs(Map.of(beta, List.of(set("min.insync.replicas", "1")))).all().get();
        }
        Map<String, Object> config = Map.of("bootstrap.servers", args[0], "key.serializer",
            StringSerializer.class, "value.serializer", StringSerializer.class);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config)) {
            producer.send(new ProducerRecord<>("gamma", "a block of producer ids")).get();
        }
    }
}
