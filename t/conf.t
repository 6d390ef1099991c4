# What nginx -t refuses, and with which words; nothing here needs a broker.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

use IO::Select ();
use IO::Socket::INET ();

# The start of an nginx with these pieces: its exit status and what it says.
sub nginx_t {
    my ($kafka, $location) = @_;
    my $dir = $ENV{WAREHOUSE_TEST_DIR};

    spew("$dir/conf.t.conf", module() . <<"CONF");
pid $dir/conf.t.pid;
events {}
http {
    access_log off;
    client_body_temp_path $dir/conf.t.temp;
    $kafka
    server {
        listen 127.0.0.1:$ENV{TEST_NGINX_PORT};
        location = /commands { $location }
    }
}
CONF
    my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
    my $said = `timeout 20 $nginx -t -e stderr -c $dir/conf.t.conf 2>&1`;
    return ($? >> 8, $said);
}

sub properties {
    return commands_kafka('127.0.0.1:9')
           . join '', map { "warehouse_kafka $_;\n" } @_;
}

# The path of a file with this text, one for each text.
sub file_of {
    my ($text) = @_;
    my $path = "$ENV{WAREHOUSE_TEST_DIR}/conf.t." . unpack 'H*', $text;
    spew($path, $text);
    return $path;
}

sub refused {
    my ($name, $properties, @words) = @_;
    my ($status, $said) = nginx_t(properties(@$properties),
                                  'warehouse_commands commands;');
    is $status, 1, "$name: nginx -t fails";
    like $said, qr/\[emerg\] .*\Q$_\E/, "$name: says $_" for @words;
}

sub passes {
    my ($name, @properties) = @_;
    my ($status, $said) = nginx_t(properties(@properties),
                                  'warehouse_commands commands;');
    is $status, 0, "$name: nginx -t passes" or diag $said;
    unlike $said, qr/\[(?:emerg|alert|crit|error)\]/, "$name: without an error";
}


# --- properties one by one: the word after the name is what must be said

refused 'an unknown property', ['no.such.property 1'], 'no.such.property',
        'conf.t.conf:';
refused 'a property of librdkafka that is no text', ['dr_cb 1'], 'dr_cb';

refused "the value of @$_", ["@$_"], $_->[0] for
    ['linger.ms', 'soon'],
    ['linger.ms', '-1'],
    ['compression.type', 'brotli'],
    ['message.max.bytes', '10'],
    ['enable.ssl.certificate.verification', 'maybe'],
    ['debug', 'nonsense'],
    ['plugin.library.paths', '/nonexistent/plugin.so'];

# those that would break a promise; aliases included, and the value that the
# module itself uses is no exception
refused "the reserved @$_", ["@$_"], $_->[0], 'reserved' for
    ['acks', '1'],
    ['acks', 'all'],
    ['request.required.acks', '1'],
    ['enable.idempotence', 'false'],
    ['enable.idempotence', 'true'],
    ['transactional.id', 'warehouse'],
    ['delivery.report.only.error', 'true'],
    ['partitioner', 'random'],
    ['test.mock.num.brokers', '1'],
    ['test.mock.broker.rtt', '1'];

refused 'no message timeout', ['message.timeout.ms 0'], 'message.timeout.ms';
refused 'no message timeout, by the alias', ['delivery.timeout.ms 0'],
        'message.timeout.ms';


# --- what only librdkafka sees, when a producer is made

refused 'idempotence with 6 requests in flight', ['max.in.flight 6'],
        'max.in.flight';
refused 'lingering longer than the timeout',
        ['linger.ms 2000', 'message.timeout.ms 1000'], 'linger.ms';
refused 'lingering as long as the timeout',
        ['linger.ms 1000', 'message.timeout.ms 1000'], 'linger.ms';
refused 'a missing CA file',
        ['security.protocol ssl', 'ssl.ca.location /nonexistent/ca.pem'],
        'ssl.ca.location', '"/nonexistent/ca.pem" (2: No such file';
refused 'SASL without a name',
        ['security.protocol sasl_plaintext', 'sasl.mechanisms PLAIN'],
        'sasl.username';


# --- values in files of their own

refused 'a file that is not there',
        ['security.protocol sasl_plaintext', 'sasl.mechanisms PLAIN', 'sasl.username a',
         'sasl.password_file /nonexistent/password'],
        '/nonexistent/password';
refused 'an empty file', ['sasl.password_file /dev/null'], '"/dev/null" is empty';
refused 'a file with a NUL byte', ['sasl.password_file ' . file_of("a\0b")], 'has a NUL byte';
refused "a property's that proves nothing", ['linger.ms_file ' . file_of('hush')], 'kafka property "linger.ms_file"';
refused 'a suffix alone', ['_file /dev/null'], 'kafka property "_file"';
unlike((nginx_t(properties('debug_file ' . file_of('hush')), 'warehouse_commands commands;'))[1], qr/hush/,
       'what it has is not shown');
passes 'values in files', 'security.protocol sasl_plaintext', 'sasl.mechanisms PLAIN',
       'sasl.username_file ' . file_of("a\n"), 'sasl.password_file ' . file_of("b\r\n");


# --- what passes, and that nothing is connected to

passes 'a broker that is not there';
passes 'properties of a producer', 'linger.ms 20', 'message.timeout.ms 1500',
       'compression.type lz4', 'queue.buffering.max.messages 1000',
       'max.in.flight 5', 'client.id warehouse', 'socket.keepalive.enable true',
       'message.max.bytes 2000000';

{
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5);
    my $port = $listener->sockport;
    my ($status) = nginx_t(commands_kafka("127.0.0.1:$port"),
                           'warehouse_commands commands;');
    is $status, 0, 'a listener in place of a broker: nginx -t passes';
    ok !IO::Select->new($listener)->can_read(0), 'and did not connect to it';
}

{
    my ($status, $said) = nginx_t('', 'warehouse_items /nonexistent/db;');
    is $status, 0, 'items alone need no broker, and no database yet'
        or diag $said;

    ($status) = nginx_t('', '');
    is $status, 0, 'the module loaded and not used';
}


# --- the names of topics: as Kafka has them

for my $row (['a blank', "'bad topic'"], ['a slash', 'a/b'],
             ['a colon', 'a:b'], ['a letter outside ASCII', "caf\xc3\xa9"],
             ['an empty name', "''"], ['a dot', '.'], ['two dots', '..'],
             ['250 bytes', 'a' x 250])
{
    my ($name, $topic) = @$row;
    my ($status, $said) = nginx_t(properties(), "warehouse_commands $topic;");
    is $status, 1, "the topic's name, $name: nginx -t fails";
    like $said, qr/\[emerg\] .* in \S+conf\.t\.conf:\d+/,
         "the topic's name, $name: says where";
}

for my $topic ('A.b_c-9', 'a' x 249) {
    my ($status) = nginx_t(properties(), "warehouse_commands $topic;");
    is $status, 0, 'the topic ' . substr($topic, 0, 10) . ': nginx -t passes';
}

{
    # the whole of the shipped configuration, its paths moved
    my $dir = "$ENV{WAREHOUSE_TEST_DIR}/shipped";
    mkdir $dir;
    my $conf = slurp("$ENV{WAREHOUSE_ROOT}/conf/nginx.conf");
    $conf =~ s{modules/\S+\.so}{$ENV{TEST_NGINX_WAREHOUSE_MODULE}};
    $conf =~ s{/run/|/var/log/nginx/}{$dir/}g;
    $conf =~ s/listen 8000/listen 127.0.0.1:$ENV{TEST_NGINX_PORT}/;
    spew("$dir/nginx.conf", $conf);
    my $said = `nginx -t -e stderr -c $dir/nginx.conf 2>&1`;
    is $?, 0, 'conf/nginx.conf passes nginx -t' or diag $said;
}

warehouse_blocks();
run_tests();

__DATA__

=== TEST 1: commands without a broker's address
--- http_config
--- config
location = /commands { warehouse_commands; }
--- must_die
--- error_log eval
qr/\[emerg\] .*"warehouse_commands".*bootstrap\.servers/



=== TEST 2: commands without a broker's address, other properties given
--- http_config
warehouse_kafka linger.ms 5;
--- config
location = /commands { warehouse_commands; }
--- must_die
--- error_log eval
qr/\[emerg\] .*"warehouse_commands".*bootstrap\.servers/



=== TEST 3: an unknown property
--- http_config
warehouse_kafka bootstrap.servers $TEST_NGINX_KAFKA;
warehouse_kafka no.such.property 1;
--- config
location = /commands { warehouse_commands; }
--- must_die
--- error_log eval
qr/\[emerg\] .*no\.such\.property.* in .*nginx\.conf:\d+/



=== TEST 4: a reserved property
--- http_config
warehouse_kafka bootstrap.servers $TEST_NGINX_KAFKA;
warehouse_kafka enable.idempotence false;
--- config
location = /commands { warehouse_commands; }
--- must_die
--- error_log eval
qr/\[emerg\] .*"enable\.idempotence" is reserved.* in .*nginx\.conf:\d+/



=== TEST 5: a property without a value
--- http_config
warehouse_kafka linger.ms;
--- config
--- must_die
--- error_log
invalid number of arguments in "warehouse_kafka" directive



=== TEST 6: warehouse_kafka in a server
--- config
warehouse_kafka linger.ms 5;
--- must_die
--- error_log
"warehouse_kafka" directive is not allowed here



=== TEST 7: warehouse_commands in a server
--- config
warehouse_commands;
--- must_die
--- error_log
"warehouse_commands" directive is not allowed here



=== TEST 8: warehouse_items in a server
--- config
warehouse_items /tmp/items.db;
--- must_die
--- error_log
"warehouse_items" directive is not allowed here



=== TEST 9: warehouse_commands twice
--- config
location = /commands {
    warehouse_commands;
    warehouse_commands commands;
}
--- must_die
--- error_log
"warehouse_commands" directive is duplicate



=== TEST 10: warehouse_items twice
--- config
location = /items {
    warehouse_items /tmp/a.db;
    warehouse_items /tmp/b.db;
}
--- must_die
--- error_log
"warehouse_items" directive is duplicate



=== TEST 11: warehouse_items_buffer twice
--- config
location = /items {
    warehouse_items /tmp/a.db;
    warehouse_items_buffer 64k;
    warehouse_items_buffer 32k;
}
--- must_die
--- error_log
"warehouse_items_buffer" directive is duplicate



=== TEST 12: a size that is none
--- config
location = /items {
    warehouse_items /tmp/a.db;
    warehouse_items_buffer large;
}
--- must_die
--- error_log eval
qr/\[emerg\] .*"warehouse_items_buffer" directive invalid value/



=== TEST 13: commands and items in one location
--- config
location = /x {
    warehouse_commands;
    warehouse_items /tmp/a.db;
}
--- must_die
--- error_log eval
qr/\[emerg\] .*"warehouse_items" directive .* in .*nginx\.conf:\d+/



=== TEST 14: items and commands in one location
--- config
location = /x {
    warehouse_items /tmp/a.db;
    warehouse_commands;
}
--- must_die
--- error_log eval
qr/\[emerg\] .*"warehouse_commands" directive .* in .*nginx\.conf:\d+/



=== TEST 15: items without a path
--- config
location = /items { warehouse_items; }
--- must_die
--- error_log
"warehouse_items" of location "/items" needs a path or "warehouse_database"



=== TEST 16: everything at once starts without a broker
--- http_config
warehouse_kafka bootstrap.servers 127.0.0.1:9;
warehouse_items_buffer 128k;
--- config
location = /commands { warehouse_commands; }
location = /more { warehouse_commands other; }
location = /items { warehouse_items $TEST_NGINX_DB; warehouse_items_buffer 64k; }
location = /problem { internal; warehouse_problem; }
location = /alive { return 200 "alive"; }
--- request
GET /alive
--- response_body chomp
alive



=== TEST 17: warehouse_items_limit in each context
--- http_config
warehouse_items_limit 1g;
--- config
warehouse_items_limit 64m;
location = /items { warehouse_items $TEST_NGINX_DB; warehouse_items_limit 8m; }
location = /alive { return 200 "alive"; }
--- request
GET /alive
--- response_body chomp
alive



=== TEST 18: warehouse_items_limit twice
--- config
location = /items {
    warehouse_items /tmp/a.db;
    warehouse_items_limit 8m;
    warehouse_items_limit 9m;
}
--- must_die
--- error_log
"warehouse_items_limit" directive is duplicate



=== TEST 19: a limit that is none
--- config
location = /items {
    warehouse_items /tmp/a.db;
    warehouse_items_limit much;
}
--- must_die
--- error_log eval
qr/\[emerg\] .*"warehouse_items_limit" directive invalid value/



=== TEST 20: warehouse_database in each context, and a location of its own
--- http_config
warehouse_database /tmp/a.db;
--- config
warehouse_database /tmp/b.db;
location = /items { warehouse_items; }
location = /other { warehouse_database /tmp/c.db; warehouse_items; }
location = /own { warehouse_items relative.db; }
location = /alive { return 200 "alive"; }
--- request
GET /alive
--- response_body chomp
alive



=== TEST 21: warehouse_database twice
--- config
warehouse_database /tmp/a.db;
warehouse_database /tmp/a.db;
--- must_die
--- error_log
"warehouse_database" directive is duplicate



=== TEST 22: a database without a name
--- config
warehouse_database "";
--- must_die
--- error_log
"warehouse_database" directive has no value



=== TEST 23: warehouse_health without a database
--- config
location = /health { warehouse_health reads; }
--- must_die
--- error_log
"warehouse_health" of location "/health" needs "warehouse_database"



=== TEST 24: a limit of the lag without a database
--- config
location = /health { warehouse_health live max_lag=1; }
--- must_die
--- error_log
"warehouse_health" of location "/health" needs "warehouse_database"



=== TEST 25: health of something else
--- config
location = /health { warehouse_health ready; }
--- must_die
--- error_log
"warehouse_health" directive is of "live", "reads" or "writes"



=== TEST 26: a bad limit of the lag
--- config
warehouse_database /tmp/a.db;
location = /health { warehouse_health reads max_lag=-1; }
--- must_die
--- error_log
"warehouse_health" directive has an invalid "max_lag"



=== TEST 27: another parameter
--- config
warehouse_database /tmp/a.db;
location = /health { warehouse_health reads lag=1; }
--- must_die
--- error_log
"warehouse_health" directive has an invalid parameter, it may be "max_lag="



=== TEST 28: warehouse_metrics twice
--- config
location = /metrics { warehouse_metrics; warehouse_metrics; }
--- must_die
--- error_log
"warehouse_metrics" directive is duplicate



=== TEST 29: metrics and items in one location
--- config
location = /metrics { warehouse_metrics; warehouse_items /tmp/a.db; }
--- must_die
--- error_log
"warehouse_items" directive conflicts with another handler of this location



=== TEST 30: warehouse_max_inflight of 0
--- http_config
warehouse_max_inflight 0;
--- config
location = /a { return 204; }
--- must_die
--- error_log
value must be between 1 and
