# Two images from one build: "consumer" and "nginx".

# by digest: a build of tomorrow begins with the same
ARG DEBIAN=debian:13-slim@sha256:d7e12182ce18b85b93007c1dedf31f2d29e01ccf3182cc4017c709b6259bc132

FROM ${DEBIAN} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        gcc libc6-dev make nginx nginx-dev libpcre2-dev zlib1g-dev libssl-dev \
        librdkafka-dev libsqlite3-dev libcjson-dev libxxhash-dev libinih-dev uthash-dev libsystemd-dev \
        default-jre-headless maven python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY script/swagger-ui script/
RUN script/swagger-ui deps/swagger-ui
COPY . .
RUN make && make install DESTDIR=/out PREFIX=/usr && strip --strip-debug \
        /out/usr/bin/warehouse-consumer /out/usr/lib/nginx/modules/ngx_http_warehouse_module.so

FROM ${DEBIAN} AS consumer
LABEL org.opencontainers.image.title="warehouse-consumer" \
      org.opencontainers.image.description="Applies the commands of a Kafka topic to a stock ledger, exactly once" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="BSD-2-Clause"
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        librdkafka1 libsqlite3-0 libcjson1 libinih1 libsystemd0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/warehouse --shell /usr/sbin/nologin warehouse \
    && install -d -o warehouse -g www-data -m 2750 /var/lib/warehouse
COPY --from=build /out/usr/bin/warehouse-consumer /usr/bin/
COPY conf/consumer.conf /etc/warehouse/consumer.conf
USER warehouse:www-data
VOLUME /var/lib/warehouse
# the file that it writes each second
HEALTHCHECK --interval=5s --timeout=5s --retries=12 \
    CMD test -n "$(find /var/lib/warehouse/warehouse.db.prom -newermt '10 seconds ago')" \
        && grep -q 'state="processing"} 1' /var/lib/warehouse/warehouse.db.prom
ENTRYPOINT ["/usr/bin/warehouse-consumer"]
CMD ["--kafka.bootstrap.servers=kafka:19092"]

FROM ${DEBIAN} AS nginx
LABEL org.opencontainers.image.title="warehouse-nginx" \
      org.opencontainers.image.description="nginx with ngx_http_warehouse_module" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="BSD-2-Clause"
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        nginx librdkafka1 libsqlite3-0 libcjson1 libxxhash0 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/usr/lib/nginx/modules/ngx_http_warehouse_module.so /usr/lib/nginx/modules/
COPY --from=build /out/usr/share/warehouse/docs /usr/share/warehouse/docs
COPY --from=build /out/usr/share/warehouse/page /usr/share/warehouse/page
COPY --from=build /out/usr/share/warehouse/nginx.conf /etc/nginx/nginx.conf
# not as root, and in a file system that is read-only but for /tmp
RUN sed -i -e 's/bootstrap.servers 127.0.0.1:9092/bootstrap.servers kafka:19092/' \
        -e '/^user /d' \
        -e 's|^    server {|    # for Prometheus; its port is not published\n    server {\n        listen 9180;\n        warehouse_database /var/lib/warehouse/warehouse.db;\n        location = /metrics { warehouse_metrics; }\n        location / { return 404; }\n    }\n\n    server {|' \
        -e 's|^pid .*|pid /tmp/nginx.pid;|' \
        -e 's|^error_log .*|error_log /dev/stderr notice;|' \
        -e 's|access_log .*|access_log /dev/stdout;|' \
        -e 's|^http {|http {\n    client_body_temp_path /tmp/client_body;\n    proxy_temp_path /tmp/proxy;\n    fastcgi_temp_path /tmp/fastcgi;\n    uwsgi_temp_path /tmp/uwsgi;\n    scgi_temp_path /tmp/scgi;|' \
        /etc/nginx/nginx.conf
USER www-data:www-data
EXPOSE 8000 9180
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=5s --timeout=5s --retries=12 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /health/reads HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3 | grep -q ' 200 '"]
CMD ["nginx", "-e", "/dev/stderr", "-g", "daemon off;"]
