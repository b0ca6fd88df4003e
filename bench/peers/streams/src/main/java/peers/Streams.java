package peers;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** The bench's job in Kafka Streams: events exactly once, or rows at least once. Prints one JSON line. */
public final class Streams {
  record Row(String name, String status) {}

  record Source(String table) {}

  record Change(Row before, Row after, Source source, long ts_ms) {
    boolean isMilestone() {
      return TRACKED.contains(source.table())
          && before != null
          && after != null
          && !after.status().equals(before.status());
    }
  }

  record Milestone(
      String reference_type, String reference_name, String from_value, String value, long reached_at, int partition, long offset) {

    static Milestone of(Change change, ProcessorContext<?, ?> context) {
      var place = context.recordMetadata().orElseThrow();
      String type = change.source().table().substring("tab".length());
      return new Milestone(
          type, change.after().name(), change.before().status(), change.after().status(), change.ts_ms(),
          place.partition(), place.offset());
    }
  }

  private static final ObjectMapper JSON =
      new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
  private static final ObjectReader READER = JSON.readerFor(Change.class);
  private static final Set<String> TRACKED = Set.of("tabSales Order", "tabTask", "tabProject");

  private static final class ToTopic extends ContextualProcessor<byte[], Change, String, Milestone> {
    @Override
    public void process(Record<byte[], Change> record) {
      if (record.value().isMilestone()) {
        Milestone milestone = Milestone.of(record.value(), context());
        context().forward(record.withKey(milestone.reference_name()).withValue(milestone));
      }
      Clock.tick();
    }
  }

  private static final class ToRows extends ContextualProcessor<byte[], Change, Void, Void> {
    private RowBuffer rows;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      super.init(context);
      rows = context.getStateStore(RowBuffer.NAME);
    }

    @Override
    public void process(Record<byte[], Change> record) {
      if (record.value().isMilestone()) {
        rows.add(Milestone.of(record.value(), context()));
      }
      Clock.tick();
    }
  }

  private static Change parsed(byte[] value) {
    try {
      return READER.readValue(value);
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
  }

  private static byte[] written(Milestone milestone) {
    try {
      return JSON.writeValueAsBytes(milestone);
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
  }

  private static Properties settings(String servers, String guarantee, String threads, String name) {
    Properties settings = new Properties();
    settings.putAll(
        Map.of(
            StreamsConfig.APPLICATION_ID_CONFIG, name,
            StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers,
            StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee,
            StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads,
            StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "1000",
            StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir") + "/" + name,
            StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000));
    settings.putAll(
        Map.of(
            StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest",
            StreamsConfig.consumerPrefix("max.poll.records"), 10_000,
            StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4 << 20,
            StreamsConfig.consumerPrefix("fetch.max.bytes"), 64 << 20,
            StreamsConfig.producerPrefix("linger.ms"), 20,
            StreamsConfig.producerPrefix("batch.size"), 256 << 10,
            StreamsConfig.producerPrefix("compression.type"), "lz4"));
    return settings;
  }

  /** Arguments: servers, input topic, records, output topic, JDBC address, guarantee, threads. */
  public static void main(String[] arguments) throws Exception {
    String servers = arguments[0], input = arguments[1], output = arguments[3], database = arguments[4];
    String guarantee = arguments[5], threads = arguments[6];
    Clock.until(Long.parseLong(arguments[2]));
    Serde<Change> change = Serdes.serdeFrom((topic, value) -> null, (topic, value) -> parsed(value));
    Serde<Milestone> milestone = Serdes.serdeFrom((topic, value) -> written(value), (topic, value) -> null);
    StreamsBuilder builder = new StreamsBuilder();
    var changes = builder.stream(input, Consumed.with(Serdes.ByteArray(), change));
    if (guarantee.equals(StreamsConfig.EXACTLY_ONCE_V2)) {
      changes.process(ToTopic::new).to(output, Produced.with(Serdes.String(), milestone));
    } else {
      builder.addStateStore(RowBuffer.builder(database));
      changes.process(ToRows::new, RowBuffer.NAME);
    }
    try (KafkaStreams streams = new KafkaStreams(builder.build(), settings(servers, guarantee, threads, output))) {
      streams.start();
      Clock.await();
    }
    Clock.print();
  }

  private Streams() {}
}
