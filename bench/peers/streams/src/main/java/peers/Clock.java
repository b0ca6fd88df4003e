package peers;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/** Counts records; the rate is from the first to the last, and that of the second half leaves warming up out. */
final class Clock {
  private static final AtomicLong RECORDS = new AtomicLong();
  private static final CountDownLatch DONE = new CountDownLatch(1);
  private static volatile long all, firstNs, halfNs, lastNs;

  static void until(long records) {
    all = records;
  }

  static void tick() {
    long count = RECORDS.incrementAndGet();
    if (count == 1) {
      firstNs = System.nanoTime();
    }
    if (count == all / 2) {
      halfNs = System.nanoTime();
    }
    if (count == all) {
      lastNs = System.nanoTime();
      DONE.countDown();
    }
  }

  static void await() throws InterruptedException {
    DONE.await();
  }

  static void print() throws IOException {
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    String peak =
        Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(line -> line.startsWith("VmHWM"))
            .map(line -> line.split("\\s+")[1])
            .findFirst()
            .orElseThrow();
    System.out.printf(
        "{\"rate\": %.0f, \"second_half\": %.0f, \"cpu_s\": %.3f, \"peak_mb\": %.0f}%n",
        all / ((lastNs - firstNs) / 1e9),
        (all - all / 2) / ((lastNs - halfNs) / 1e9),
        system.getProcessCpuTime() / 1e9,
        Long.parseLong(peak) / 1024.0);
  }

  private Clock() {}
}
