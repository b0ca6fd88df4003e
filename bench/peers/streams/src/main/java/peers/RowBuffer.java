package peers;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.util.Map;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.internals.CacheFlushListener;
import org.apache.kafka.streams.state.internals.CachedStateStore;

/** Rows that are inserted before Streams commits: it flushes its stores first, so this is one of them. */
final class RowBuffer implements StateStore, CachedStateStore<Object, Object> {
  static final String NAME = "rows";

  private static final String INSERT = "insert into peer values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing";

  private final String database;
  private Connection connection;
  private PreparedStatement insert;
  private boolean open;

  private RowBuffer(String database) {
    this.database = database;
  }

  static StoreBuilder<RowBuffer> builder(String database) {
    return new StoreBuilder<>() {
      @Override
      public StoreBuilder<RowBuffer> withCachingEnabled() {
        return this;
      }

      @Override
      public StoreBuilder<RowBuffer> withCachingDisabled() {
        return this;
      }

      @Override
      public StoreBuilder<RowBuffer> withLoggingEnabled(Map<String, String> config) {
        return this;
      }

      @Override
      public StoreBuilder<RowBuffer> withLoggingDisabled() {
        return this;
      }

      @Override
      public RowBuffer build() {
        return new RowBuffer(database);
      }

      @Override
      public Map<String, String> logConfig() {
        return Map.of();
      }

      @Override
      public boolean loggingEnabled() {
        return false;
      }

      @Override
      public String name() {
        return NAME;
      }
    };
  }

  void add(Streams.Milestone milestone) {
    try {
      insert.setString(1, milestone.reference_type());
      insert.setString(2, milestone.reference_name());
      insert.setString(3, milestone.from_value());
      insert.setString(4, milestone.value());
      insert.setTimestamp(5, new Timestamp(milestone.reached_at()));
      insert.setInt(6, milestone.partition());
      insert.setLong(7, milestone.offset());
      insert.addBatch();
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  @Override
  public void init(StateStoreContext context, StateStore root) {
    try {
      connection = DriverManager.getConnection(database);
      connection.setAutoCommit(false);
      insert = connection.prepareStatement(INSERT);
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
    context.register(root, (key, value) -> {});
    open = true;
  }

  @Override
  public void flush() {
    try {
      insert.executeBatch();
      connection.commit();
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  @Override
  public void flushCache() {
    flush();
  }

  @Override
  public void clearCache() {}

  @Override
  public boolean setFlushListener(CacheFlushListener<Object, Object> listener, boolean sendOldValues) {
    return false;
  }

  @Override
  public void close() {
    open = false;
    try {
      connection.close();
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean persistent() {
    return false;
  }

  @Override
  public boolean isOpen() {
    return open;
  }
}
