# The consumer as an image: the wheel on pinned, hashed requirements, run by a user without rights.
FROM python:3.11-slim AS build
# The first look at records is compiled; the image that runs has no compiler.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements-run.txt ./
RUN pip install --no-cache-dir --require-hashes --prefix=/install -r requirements-run.txt
COPY pyproject.toml README.md LICENSE ./
COPY consumer consumer
COPY schemas schemas
COPY sql sql
RUN PYTHONPATH=/install/lib/python3.11/site-packages \
      pip install --no-cache-dir --no-deps --no-build-isolation --prefix=/install .

FROM python:3.11-slim
COPY --from=build /install /usr/local
RUN useradd --system --create-home --uid 10001 milestones
USER milestones
WORKDIR /etc/milestones
ENV PYTHONUNBUFFERED=1
# SIGTERM drains: what was read is stored and announced before the process ends.
STOPSIGNAL SIGTERM
ENTRYPOINT ["milestones"]
CMD ["run"]
