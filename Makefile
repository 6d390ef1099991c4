# make             the module, the daemon and the API's page, into build/
# make man         the manual pages, where go-md2man is installed; with all
# make install     DESTDIR and PREFIX are honoured, MODULES is nginx's folder
# make dist        what is committed as warehouse-VERSION.tar.gz, into build/
# make lint        clang's warnings, where clang is installed
# make test        see script/test

PREFIX  ?= /usr/local
MODULES ?= /usr/lib/nginx/modules
DESTDIR ?=
BUILD   ?= build

CC      ?= cc
CFLAGS  ?= -O3 -g

# make SANITIZE=1 BUILD=build/sanitize: with the address and undefined
# behaviour sanitizers; nginx then needs their libraries preloaded
ifdef SANITIZE
CFLAGS   = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif

# make FAILPOINTS=1 BUILD=build/fault: the daemon with the fault tests' points
ifdef FAILPOINTS
CPPFLAGS += -DWH_FAILPOINTS
endif

# the tests': WERROR=-Werror; elsewhere a compiler newer than this code may warn
WERROR  ?=
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
LIBS     = -lrdkafka -lsqlite3 -lcjson -linih -lcrypto -lsystemd -lpthread

# Debian's nginx-dev; for an upstream tree see "Deploying" in README.md
NGINX_SRC ?= /usr/share/nginx/src

common   = $(wildcard common/*.c)
consumer = $(wildcard consumer/*.c consumer/*/*.c)
headers  = $(wildcard common/*.h consumer/*.h consumer/*/*.h)
objects  = $(patsubst %.c,$(BUILD)/obj/%.o,$(common) $(consumer))
module   = $(wildcard ngx_http_warehouse_module/*) config $(wildcard common/*)

.PHONY: all module consumer docs man install dist clean lint lint-daemon lint-module test

all: module consumer docs $(if $(shell command -v go-md2man),man)

module: $(BUILD)/ngx_http_warehouse_module.so

consumer: $(BUILD)/warehouse-consumer

# without Swagger UI (script/swagger-ui) the page is empty, the documents are there
docs: $(BUILD)/docs/openapi.yaml

$(BUILD)/docs/openapi.yaml: $(wildcard api/* deps/swagger-ui/*)
	@rm -rf $(@D)
	@mkdir -p $(@D)
	cp $(sort $^) $(@D)/
	touch $@

man: $(BUILD)/man/warehouse-consumer.8

$(BUILD)/man/warehouse-consumer.8: script/man $(wildcard man/*.md docs/*.md) common/wh_version.h
	script/man $(@D)

$(BUILD)/warehouse-consumer: $(objects)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@.new $(objects) $(LIBS)
	mv $@.new $@

$(BUILD)/obj/%.o: %.c $(headers) Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARN) -Icommon -Iconsumer -c -o $@ $<

# a copy of nginx's tree is configured as Debian's nginx was, once
$(BUILD)/nginx/Makefile: config script/configure-module Makefile
	script/configure-module $(NGINX_SRC) $(BUILD)/nginx "$(CPPFLAGS) $(CFLAGS) $(or $(WERROR),-Wno-error)" "$(LDFLAGS)"

# a new file: an nginx may be running with the old one
$(BUILD)/ngx_http_warehouse_module.so: $(BUILD)/nginx/Makefile $(module)
	$(MAKE) -C $(BUILD)/nginx -f objs/Makefile modules > $(BUILD)/module.log 2>&1 || { cat $(BUILD)/module.log; exit 1; }
	cp $(BUILD)/nginx/objs/ngx_http_warehouse_module.so $@.new
	mv $@.new $@

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MODULES) $(addprefix $(DESTDIR)$(PREFIX)/share/,warehouse/docs warehouse/page man/man5 man/man8)
	install -m 755 $(BUILD)/warehouse-consumer $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BUILD)/ngx_http_warehouse_module.so $(DESTDIR)$(MODULES)/
	install -m 644 conf/* $(DESTDIR)$(PREFIX)/share/warehouse/
	install -m 644 page/* $(DESTDIR)$(PREFIX)/share/warehouse/page/
	sed -i 's|alias /usr/local/|alias $(PREFIX)/|' $(DESTDIR)$(PREFIX)/share/warehouse/nginx.conf
	sed -i 's|=/usr/bin/|=$(PREFIX)/bin/|' $(DESTDIR)$(PREFIX)/share/warehouse/warehouse-consumer.service
	@[ -e deps/swagger-ui ] || echo "without deps/swagger-ui (script/setup fetches it) /docs is an empty page" >&2
	install -m 644 $(BUILD)/docs/* $(DESTDIR)$(PREFIX)/share/warehouse/docs/
	@[ -e $(BUILD)/man ] || echo "without go-md2man there are no manual pages" >&2
	[ ! -e $(BUILD)/man ] || install -m 644 $(BUILD)/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	[ ! -e $(BUILD)/man ] || install -m 644 $(BUILD)/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/

# the same bytes from the same commit; what is not committed is not in it
version = $(shell sed -n 's/^.define WH_VERSION  "\(.*\)"/\1/p' common/wh_version.h)

dist:
	@mkdir -p $(BUILD)
	git archive --prefix=warehouse-$(version)/ HEAD | gzip -9n > $(BUILD)/warehouse-$(version).tar.gz
	cd $(BUILD) && sha256sum warehouse-$(version).tar.gz

# both compilers; nginx's own headers are not clean under all of WARN; clang
# passes over folders that are not there (quic and v3 are from 1.25 on)
lint: lint-daemon lint-module

lint-daemon:
	clang $(WARN) -Werror -std=gnu11 -fsyntax-only -Icommon -Iconsumer $(common) $(consumer) t/unit/*.c t/fuzz/*.c

lint-module: $(BUILD)/nginx/Makefile
	clang -Wall -Wextra -Wshadow -Werror -Wno-unused-parameter -Wno-missing-field-initializers \
	    -fsyntax-only -Icommon $(addprefix -I$(BUILD)/nginx/,src/core src/event src/event/modules \
	    src/event/quic src/os/unix objs src/http src/http/modules src/http/v2 src/http/v3) \
	    ngx_http_warehouse_module/*.c

test:
	script/test

clean:
	rm -rf $(BUILD)
