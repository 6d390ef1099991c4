# Two images from one build: "consumer" and "nginx".

FROM debian:12-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        gcc libc6-dev make nginx nginx-dev libpcre2-dev zlib1g-dev libssl-dev \
        librdkafka-dev libsqlite3-dev libcjson-dev libxxhash-dev libinih-dev uthash-dev \
        default-jre-headless maven python3 \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN script/swagger-ui deps/swagger-ui && make && make install DESTDIR=/out PREFIX=/usr

FROM debian:12-slim AS consumer
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        librdkafka1 libsqlite3-0 libcjson1 libinih1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/warehouse --shell /usr/sbin/nologin warehouse \
    && install -d -o warehouse -g www-data -m 2750 /var/lib/warehouse \
    && install -d -o warehouse -g www-data -m 755 /run/warehouse
COPY --from=build /out/usr/bin/warehouse-consumer /usr/bin/
COPY conf/consumer.conf /etc/warehouse/consumer.conf
USER warehouse:www-data
VOLUME /var/lib/warehouse
ENTRYPOINT ["/usr/bin/warehouse-consumer"]
CMD ["--kafka.bootstrap.servers=kafka:19092", "--pid_file=/run/warehouse/consumer.pid"]

FROM debian:12-slim AS nginx
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        nginx librdkafka1 libsqlite3-0 libcjson1 libxxhash0 \
    && rm -rf /var/lib/apt/lists/* \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log
COPY --from=build /out/usr/lib/nginx/modules/ngx_http_warehouse_module.so /usr/lib/nginx/modules/
COPY --from=build /out/usr/share/warehouse/docs /usr/share/warehouse/docs
COPY --from=build /out/usr/share/warehouse/nginx.conf /etc/nginx/nginx.conf
RUN sed -i 's/bootstrap.servers 127.0.0.1:9092/bootstrap.servers kafka:19092/' /etc/nginx/nginx.conf \
    && nginx -t
EXPOSE 8000
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
