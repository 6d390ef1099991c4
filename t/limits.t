# Clients that do not read: what the lists sent to them may take together.

use Warehouse;
use WarehouseNginx;
use Test::More;

use IO::Select ();
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_RCVBUF inet_aton pack_sockaddr_in);

my $dir = "$ENV{WAREHOUSE_TEST_DIR}/limits-$$";
mkdir $dir;
chmod 0777, $dir;

my $nginx = WarehouseNginx->new(
    listen => 'sndbuf=16k',            # little of a list is out of nginx's hands
    kafka => '',
    http => 'warehouse_items_limit 8m; output_buffers 1 32k;',
    server => <<"CONF");
location = /memory { warehouse_items $dir/memory.db; warehouse_items_buffer 16m; }
location = /file { warehouse_items $dir/file.db; warehouse_items_buffer 64k; }
location = /page { warehouse_items $dir/memory.db; warehouse_items_buffer 16m; error_page 503 /problem; }
location = /problem { internal; warehouse_problem; }
location = /tiny { warehouse_items $dir/tiny.db; warehouse_items_limit 1k; }
location = /default { warehouse_items $dir/default.db; warehouse_items_limit 256m; }
location = /alive { return 200 "alive"; }
CONF
my $port = $nginx->{port};
my ($worker) = $nginx->workers;

# A list of some 3 MB.  What is returned gives its first item a quantity.
sub fill { my ($name) = @_;
    my $db = database("$dir/$name.db");
    sql($db, 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11000)'
             . " INSERT INTO items SELECT printf('%0250d', i), 1, 1 FROM n;\n");
    my $writer = writer($db);
    return sub { my ($qty) = @_;
        $writer->(defined $qty ? "UPDATE items SET qty = $qty WHERE sku = printf('%0250d', 1);" : ());
    };
}

my $list = items_json(map { [sprintf('%0250d', $_), 1] } 1 .. 11000);

sub list { my ($qty) = @_; return $list =~ s/"qty":1\}/"qty":$qty}/r }

# A client that has read the first bytes of a list, and no more.
sub slow { my ($path) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'tcp');
    $socket->setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
    $socket->connect(pack_sockaddr_in($port, inet_aton('127.0.0.1')));
    syswrite $socket, get($path);
    IO::Select->new($socket)->can_read(20) or return undef;
    sysread $socket, ${*$socket}{warehouse_buf}, 100;
    return $socket;
}

sub begun { my ($socket) = @_; return $socket && (${*$socket}{warehouse_buf} =~ m{\AHTTP/1\.1 200 }) }

# The rest of what a slow client gets.
sub read_on { my ($socket) = @_;
    $socket->setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 20);
    return response($socket, timeout => 60);
}

sub is_list { my ($r, $qty, $name) = @_;
    is $r ? $r->{status} : 'no answer', 200, "$name: 200";
    same_bytes($r && $r->{body}, list($qty), "$name: the list, whole");
}

sub too_many { my ($path, $name) = @_;
    my $r = exchange($port, get($path));
    is $r ? $r->{status} : 'no answer', 503, "$name: 503";
    problem_ok($r && $r->{body}, 503, undef, "$name: the document");
    my $document = eval { JSON::PP->new->utf8->decode($r->{body}) };
    is ref $document eq 'HASH' ? $document->{detail} : '', 'too many lists are still being sent',
       "$name: the detail";
    is $r->{headers}{'retry-after'}, 1, "$name: Retry-After";

    my $head = exchange($port, get($path, _method => 'HEAD'), head => 1);
    is $head ? "$head->{status} $head->{headers}{'retry-after'}" : '', '503 1', "$name: HEAD, too";
}

# Once the clients have gone, which the worker may have yet to notice.
sub again { my ($path, $name) = @_;
    ok wait_until(20, sub { exchange($port, get($path))->{status} == 200 }), "$name: a list again";
}

# Lists in files that nobody can find any more: the worker's descriptors.
sub files { return scalar grep { (readlink // '') =~ / \(deleted\)$/ } glob "/proc/$worker/fd/*" }


for my $kind ('memory', 'file') {
    my $commit = fill($kind);
    my $path = "/$kind";

    my $first = slow($path);
    ok begun($first), "$kind: the first slow client";
    $commit->(2);
    my $second = slow($path);
    ok begun($second), "$kind: a commit later, the second";
    my $also = slow($path);
    ok begun($also), "$kind: another with the same list takes no more";

    is_list(exchange($port, get($path)), 2, "$kind: without a commit the list is there for anybody");

    $commit->(3);
    too_many($path, "$kind: a third list");
    too_many('/page', "$kind: by error_page") if $kind eq 'memory';
    my @more = map { $commit->($_); slow($path) } 4 .. 9;
    is scalar(grep { begun($_) } @more), 0, "$kind: six more commits, still too many";
    cmp_ok files(), '<=', 2, "$kind: no more than two lists are kept" if $kind eq 'file';
    is exchange($port, get('/alive'))->{body}, 'alive', "$kind: the rest is served";
    close $_ for @more;

    # what was begun is sent in full, and then there is room
    is_list(read_on($first), 1, "$kind: the first client reads on");
    again($path, "$kind: the first has its list");
    is_list(exchange($port, get($path)), 9, "$kind: the newest");

    # clients that go away make room as well
    $commit->(10);
    my $third = wait_until(20, sub { my $socket = slow($path); begun($socket) && $socket });
    ok begun($third), "$kind: a third slow client";
    $commit->(11);
    too_many($path, "$kind: with two again");
    close $second;
    close $also;
    again($path, "$kind: the second left");
    close $third;
    $commit->(12);
    again($path, "$kind: all have left");
    is_list(exchange($port, get($path)), 12, "$kind: the newest in the end");
    $commit->();
}


# --- a limit below the size of one list

{
    my $commit = fill('tiny');
    for my $n (2 .. 4) {
        $commit->($n);
        is_list(exchange($port, get('/tiny')), $n, "a small limit, commit $n");
    }

    # three at once share one list
    $commit->(5);
    is_list($_, 5, 'a small limit, several at once') for responses($port, (get('/tiny')) x 3);

    my $holder = slow('/tiny');
    ok begun($holder), 'a small limit: a slow client';
    is_list(exchange($port, get('/tiny')), 5, 'a small limit, without a commit');
    $commit->(6);
    too_many('/tiny', 'a small limit, a second list');
    is_list(read_on($holder), 5, 'a small limit: the slow client reads on');
    again('/tiny', 'a small limit, nobody holds one');
    is_list(exchange($port, get('/tiny')), 6, 'a small limit, the newest');
    $commit->();
}


# --- limits count for one database, and there is room by default

{
    my $commit = fill('default');
    my @slow;
    for my $n (2 .. 6) {
        $commit->($n);
        push @slow, slow('/default');
    }
    is scalar(grep { begun($_) } @slow), 5, 'a limit of 256m: five lists';
    is_list(exchange($port, get('/memory')), 12, 'another database');
    close $_ for @slow;
    $commit->();
}

is join(' ', $nginx->workers), $worker, 'the worker is the same';
$nginx->stop('limits');
done_testing();
