/* tests/differential/Codec.java - Kafka's side of the comparison: reads what codec-cases make
 * wrote, decodes every message with Kafka's own class, writes it again, prints its JSON, and
 * compares all three with ours. With what Kafka reads back from that JSON it fills a second file,
 * which codec-cases check goes through.
 *
 *   java Codec CASES ANSWERS
 *
 * The last line of the output counts; status 1 when there is a mismatch. Needs Kafka's jars. */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;

public final class Codec {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message.", "org.apache.kafka.common.metadata.",
        "org.apache.kafka.coordinator.group.generated.",
        "org.apache.kafka.coordinator.transaction.generated.",
        "org.apache.kafka.coordinator.share.generated.", "org.apache.kafka.raft.generated.",
        "org.apache.kafka.server.log.remote.metadata.storage.generated.",
    };
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** One message class and its converter. */
    private static final class Kind {
        final Class<?> type;
        final Method toJson;
        final Method fromJson;

        Kind(Class<?> type) throws ReflectiveOperationException {
            this.type = type;
            Class<?> converter = Class.forName(type.getName() + "JsonConverter");
            toJson = converter.getMethod("write", type, short.class);
            fromJson = converter.getMethod("read", JsonNode.class, short.class);
        }

        Message decode(ByteBuffer bytes, short version) throws ReflectiveOperationException {
            Message message = (Message) type.getConstructor().newInstance();
            message.read(new ByteBufferAccessor(bytes), version);
            return message;
        }

        JsonNode toJson(Message message, short version) throws ReflectiveOperationException {
            return (JsonNode) toJson.invoke(null, message, version);
        }
    }

    private final Map<String, Kind> kinds = new HashMap<>();
    private final BufferedWriter answers;
    private int messages;
    private int damaged;
    private int stricter; // damaged ones that only we refuse
    private int defaults; // messages whose defaults could be compared
    private int mismatches;

    private Codec(BufferedWriter answers) {
        this.answers = answers;
    }

    private Kind kind(String name) {
        return kinds.computeIfAbsent(name, n -> {
            for (String prefix : PACKAGES) {
                for (String suffix : new String[] {"Data", ""}) {
                    try {
                        Class<?> type = Class.forName(prefix + n + suffix);
                        if (Message.class.isAssignableFrom(type)) return new Kind(type);
                    } catch (ReflectiveOperationException absent) {
                        continue;
                    }
                }
            }
            return null;
        });
    }

    private static byte[] encode(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new IllegalStateException("size() and write() disagree");
        return buffer.array();
    }

    /** The same text; a double's digits may differ, because Java before 19 prints too many. */
    private static boolean sameJson(String ours, JsonNode json) throws Exception {
        if (ours.equals(json.toString())) return true;
        return hasDouble(json) && MAPPER.readTree(ours).toString().equals(json.toString());
    }

    private static boolean hasDouble(JsonNode json) {
        if (json.isDouble()) return true;
        for (JsonNode child : json) {
            if (hasDouble(child)) return true;
        }
        return false;
    }

    private void mismatch(String[] line, String what) {
        if (++mismatches > 50) return;
        System.out.println(line[1] + " v" + line[2] + ": " + what + "\n    " + line[3]);
    }

    private void checkMessage(String[] line) throws Exception {
        messages++;
        Kind kind = kind(line[1]);
        if (kind == null) {
            mismatch(line, "no such class in the jars");
            return;
        }
        short version = Short.parseShort(line[2]);
        byte[] bytes = HexFormat.of().parseHex(line[3]);
        ByteBuffer input = ByteBuffer.wrap(bytes);
        try {
            Message message = kind.decode(input, version);
            if (input.hasRemaining()) mismatch(line, "Kafka ends at " + input.position());
            String again = HexFormat.of().formatHex(encode(message, version));
            if (!again.equals(line[3])) mismatch(line, "Kafka writes " + again);
            JsonNode json = kind.toJson(message, version);
            if (!sameJson(line[4], json)) {
                mismatch(line, "another JSON:\n    ours  " + line[4] + "\n    Kafka " + json);
            }
            checkDefaults(line, kind, message);
            Message read = (Message) kind.fromJson.invoke(null, json, version);
            answers.write(String.join("\t", line[1], line[2],
                HexFormat.of().formatHex(encode(read, version)),
                kind.toJson(read, version).toString()) + "\n");
        } catch (RuntimeException | InvocationTargetException refusal) {
            Throwable cause = refusal.getCause() != null ? refusal.getCause() : refusal;
            mismatch(line, "Kafka refuses: " + cause);
        }
    }

    /** What the version lacks must have Kafka's default: seen when the last version prints it. */
    private void checkDefaults(String[] line, Kind kind, Message message) throws Exception {
        JsonNode json;
        try {
            json = kind.toJson(message, message.highestSupportedVersion());
        } catch (InvocationTargetException refusal) {
            return; // the last version has no place for a value of this one
        }
        defaults++;
        if (!sameJson(line[5], json)) {
            mismatch(line, "other defaults:\n    ours  " + line[5] + "\n    Kafka " + json);
        }
    }

    /**
     * Of octets that were changed at random: what we accept Kafka accepts, to the same end and
     * with the same JSON. What it accepts and we refuse (tags out of order, tag sizes that lie)
     * exists in flexible versions only.
     */
    private void checkDamaged(String[] line) throws Exception {
        damaged++;
        Kind kind = kind(line[1]);
        if (kind == null) return;
        short version = Short.parseShort(line[2]);
        ByteBuffer input = ByteBuffer.wrap(HexFormat.of().parseHex(line[3]));
        Message message = null;
        String refusal = null;
        try {
            message = kind.decode(input, version);
        } catch (RuntimeException e) {
            refusal = e.toString();
        }
        boolean ours = !line[4].equals("refused");
        if (ours && message == null) {
            mismatch(line, "only Kafka refuses: " + refusal);
        } else if (!ours && message != null) {
            if (version >= flexibleFrom(kind, version)) stricter++;
            else mismatch(line, "only we refuse");
        } else if (ours) {
            if (input.position() != Integer.parseInt(line[4])) {
                mismatch(line, "Kafka ends at " + input.position());
            }
            JsonNode json = kind.toJson(message, version);
            if (!sameJson(line[5], json)) {
                mismatch(line, "another JSON:\n    ours  " + line[5] + "\n    Kafka " + json);
            }
        }
    }

    /** The version itself when it is flexible: its schema ends in tagged fields. Else one above. */
    private static int flexibleFrom(Kind kind, short version) throws ReflectiveOperationException {
        Schema[] schemas = (Schema[]) kind.type.getField("SCHEMAS").get(null);
        BoundField[] fields = schemas[version].fields();
        boolean flexible = fields.length > 0
            && fields[fields.length - 1].def.type instanceof TaggedFields;
        return flexible ? version : version + 1;
    }

    public static void main(String[] args) throws Exception {
        Codec codec;
        try (BufferedReader cases = Files.newBufferedReader(Paths.get(args[0]));
             BufferedWriter answers = Files.newBufferedWriter(Paths.get(args[1]))) {
            codec = new Codec(answers);
            for (String text = cases.readLine(); text != null; text = cases.readLine()) {
                String[] line = text.split("\t", -1);
                if (line[0].equals("message")) codec.checkMessage(line);
                else codec.checkDamaged(line);
            }
        }
        System.out.println(codec.messages + " messages to Kafka (" + codec.defaults
            + " with their defaults), " + codec.damaged + " damaged ones (" + codec.stricter
            + " refused by us only), " + codec.mismatches + " mismatches");
        System.exit(codec.mismatches == 0 && codec.messages > 0 ? 0 : 1);
    }
}
