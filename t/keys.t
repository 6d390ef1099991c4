# The Idempotency-Key field: what is a key, and how it travels to Kafka.

use Warehouse;
use WarehouseNginx;
use Test::Nginx::Socket 'no_plan';

topic('commands');

my $nginx = WarehouseNginx->new(documented => 1,
    server => <<'CONF');
location = /commands { warehouse_commands; }
location = /through { warehouse_commands; error_page 400 = /elsewhere; }
location = /elsewhere { return 418 elsewhere; }
CONF

sub command { qq({"action":"increase","sku":"keys-$$","qty":1}) }

my @good = (
    # name, field, key
    ['a bare key', 'abc', 'abc'],
    ['a UUID, quoted', '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
     '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['blanks around', "  \"abc\" \t", 'abc'],
    ['escapes', '"a\"b\\\\c"', 'a"b\c'],
    ['a bare one with a quote inside', 'a"b', 'a"b'],
    ['the first and the last visible characters', '!~', '!~'],
    ['255 characters', 'k' x 255, 'k' x 255],
    ['255 characters in quotes', '"' . 'q' x 255 . '"', 'q' x 255],
);

for my $row (@good) {
    my ($name, $field, $key) = @$row;
    my $r = exchange($nginx->{port}, post(command(), 'Idempotency-Key' => $field));
    is $r->{status}, 200, "$name: 200" or diag $r->{body};
    is last_record('commands')->{headers}, "idempotency-key=$key", "$name: the header";
}

my $r = exchange($nginx->{port}, post(command(), 'iDEMPOTENCY-kEY' => 'abc'));
is $r->{status}, 200, 'the name in any case';
is last_record('commands')->{headers}, 'idempotency-key=abc', 'the name in any case: the header';

$r = exchange($nginx->{port}, post(command()));
is $r->{status}, 200, 'without a key';
is last_record('commands')->{headers}, '', 'without a key: no header';

my $before = last_record('commands')->{offset};

my @bad = (
    ['nothing', ''],
    ['empty quotes', '""'],
    ['256 characters', 'k' x 256],
    ['256 characters in quotes', '"' . 'k' x 256 . '"'],
    ['a blank inside', 'a b'],
    ['a blank in quotes', '"a b"'],
    ['a tab', "a\tb"],
    ['UTF-8', "caf\xc3\xa9"],
    ['DEL', "a\x7f"],
    ['no closing quote', '"abc'],
    ['an escaped closing quote', '"abc\"'],
    ['another escape', '"a\nb"'],
    ['a parameter', '"abc";x=1'],
    ['something behind', '"abc"d'],
);

for my $row (@bad) {
    my ($name, $field) = @$row;
    my $r = exchange($nginx->{port}, post(command(), 'Idempotency-Key' => $field));
    is $r->{status}, 400, "$name: 400";
    problem_ok($r->{body}, 400, undef, "$name: the document");
}

$r = exchange($nginx->{port},
              post(command(), 'Idempotency-Key' => "one\r\nIdempotency-Key: two"));
is $r->{status}, 400, 'two keys: 400';
problem_ok($r->{body}, 400, undef, 'two keys: the document');

$r = exchange($nginx->{port}, post(command(), _path => '/through', 'Idempotency-Key' => '""'));
is "$r->{status} $r->{body}", '418 elsewhere', 'error_page';

# many fields before it: nginx keeps them in several parts
$r = exchange($nginx->{port}, post(command(), (map { ("A-$_" => 'x') } 1 .. 50),
                                   'Idempotency-Key' => 'after fifty'));
is $r->{status}, 400, 'found behind fifty others';

is last_record('commands')->{offset}, $before, 'nothing of that was written';

$nginx->stop('keys');
