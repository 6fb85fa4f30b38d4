use strict;
use warnings;
use Fcntl qw(:flock);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IPC::Open3;
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_RMID S_IRUSR S_IWUSR);
use POSIX qw(:sys_wait_h);
use Socket qw(getaddrinfo);
use Time::HiRes qw(usleep ualarm);

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "listen: $!";
my $child = fork // die "fork: $!";
if (!$child) {
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->sockport) or die;
    print $client "asked\n";
    POSIX::_exit(7);
}
IO::Select->new($server)->can_read(60) or die 'nobody came';
my $heard = $server->accept->getline;
waitpid $child, 0;
print $heard, WEXITSTATUS($?), "\n";

my $pid = open3(my $to, my $from, undef, 'tr', 'a-z', 'A-Z');
print $to "piped\n";
close $to;
print <$from>;
waitpid $pid, 0;
print scalar(`echo quoted`);

my $directory = tempdir(CLEANUP => 1);
open my $file, '>', "$directory/file" or die $!;
flock $file, LOCK_EX or die $!;
rename "$directory/file", "$directory/other" or die $!;
opendir my $all, $directory or die $!;
print join(' ', sort grep { !/^\./ } readdir $all), "\n";

my $memory = shmget(IPC_PRIVATE, 64, IPC_CREAT | S_IRUSR | S_IWUSR) // die "shmget: $!";
shmwrite($memory, 'shared', 0, 6) or die $!;
shmread($memory, my $read, 0, 6) or die $!;
shmctl($memory, IPC_RMID, 0) or die $!;
my $rung = 0;
local $SIG{ALRM} = sub { $rung = 1 };
ualarm(1000);
usleep(1000) until $rung;
my ($error, @found) = getaddrinfo('localhost', 80);
print "$read $rung ", scalar(getpwuid $<), ' ', @found > 0 ? 'found' : $error, "\n";
