"""`bench.job`, started as the command starts a worker."""

from consumer.tuning import imported

if __name__ == "__main__":
    imported("bench.job").main()
